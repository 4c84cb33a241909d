import type { StreamKitError } from '../../base/errors.js';
import { inheritedValues, type SdpMedia, type SessionDescription } from './session-description.js';

/** One side's end of ICE and DTLS. */
export interface TransportAttributes {
  readonly iceUfrag: string;
  readonly icePwd: string;
  readonly setup: 'active' | 'passive' | 'actpass';
  /** Hash function and digest, as the attribute has them. */
  readonly fingerprints: readonly string[];
}

// RFC 8839 section 5.4.
const ICE_UFRAG = /^[A-Za-z0-9+/]{4,256}$/;
const ICE_PWD = /^[A-Za-z0-9+/]{22,256}$/;
/** Hash functions of RFC 8122 section 5 that still hold, and the bytes of their digests. */
const FINGERPRINT_BYTES: ReadonlyMap<string, number> = new Map([
  ['sha-256', 32],
  ['sha-384', 48],
  ['sha-512', 64],
]);

export function areIceCredentials(iceUfrag: string, icePwd: string): boolean {
  return ICE_UFRAG.test(iceUfrag) && ICE_PWD.test(icePwd);
}

/**
 * Reads the transport of a section, which may lie at the session.
 *
 * @param refusal - makes the error of what is wrong with the description.
 */
export function readTransport(
  session: SessionDescription,
  media: SdpMedia,
  refusal: (what: string) => StreamKitError,
): TransportAttributes {
  const [iceUfrag = ''] = inheritedValues(session, media, 'ice-ufrag');
  const [icePwd = ''] = inheritedValues(session, media, 'ice-pwd');
  const [setup = ''] = inheritedValues(session, media, 'setup');
  const fingerprints = inheritedValues(session, media, 'fingerprint').flatMap(readFingerprint);
  if (!areIceCredentials(iceUfrag, icePwd)) {
    throw refusal('has no ICE credentials');
  }
  if (fingerprints.length === 0) {
    throw refusal('has no certificate fingerprint of SHA-256 or better');
  }
  if (setup !== 'active' && setup !== 'passive' && setup !== 'actpass') {
    throw refusal('has no DTLS role');
  }
  return { iceUfrag, icePwd, setup, fingerprints };
}

/** Whether a description keeps to the DTLS association of an earlier one of the same side (RFC 8842 section 4). */
export function sameDtls(before: TransportAttributes, after: TransportAttributes): boolean {
  const sorted = ({ fingerprints }: TransportAttributes): string => fingerprints.toSorted().join(';');
  return before.setup === after.setup && sorted(before) === sorted(after);
}

/** The attributes of a transport in a description. */
export function transportLines(transport: TransportAttributes): string[] {
  return [
    `a=ice-ufrag:${transport.iceUfrag}`,
    `a=ice-pwd:${transport.icePwd}`,
    ...transport.fingerprints.map((fingerprint) => `a=fingerprint:${fingerprint}`),
    `a=setup:${transport.setup}`,
  ];
}

function readFingerprint(value: string): string[] {
  const [hash = '', digest = ''] = value.trim().split(' ');
  const bytes = FINGERPRINT_BYTES.get(hash.toLowerCase());
  const pairs = digest.split(':');
  const valid = pairs.length === bytes && pairs.every((pair) => /^[0-9A-Fa-f]{2}$/.test(pair));
  return valid ? [`${hash.toLowerCase()} ${digest.toUpperCase()}`] : [];
}
