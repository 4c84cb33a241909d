import { StreamKitError } from '../../base/errors.js';
import { usableCandidates } from '../ice/ice-candidate.js';
import { MAX_CANDIDATES, MAX_SDP_BYTES } from './sdp-answer.js';
import { areIceCredentials } from './sdp-transport.js';

/** An `application/trickle-ice-sdpfrag` (RFC 8840 section 9) of a player, as far as it concerns one transport. */
export interface SdpFragment {
  /** Both or neither. */
  readonly credentials: { readonly iceUfrag: string; readonly icePwd: string } | undefined;
  /** As {@link usableCandidates} gives them. */
  readonly candidates: readonly string[];
}

/** @throws StreamKitError `unprocessable` */
export function readFragment(text: string): SdpFragment {
  if (Buffer.byteLength(text) > MAX_SDP_BYTES) {
    throw refusal('is larger than 64 KiB');
  }
  const lines = text.split(/\r\n|\n/).filter((line) => line !== '');
  if (lines.length === 0 || !lines.every((line) => /^[a-z]=/.test(line))) {
    throw refusal('is none');
  }
  const valuesOf = (name: string): string[] =>
    lines.filter((line) => line.startsWith(`a=${name}:`)).map((line) => line.slice(name.length + 3));
  const [iceUfrag] = valuesOf('ice-ufrag');
  const [icePwd] = valuesOf('ice-pwd');
  if ((iceUfrag === undefined) !== (icePwd === undefined)) {
    throw refusal('has half of the ICE credentials');
  }
  if (iceUfrag !== undefined && icePwd !== undefined && !areIceCredentials(iceUfrag, icePwd)) {
    throw refusal('has malformed ICE credentials');
  }
  return {
    credentials: iceUfrag === undefined || icePwd === undefined ? undefined : { iceUfrag, icePwd },
    candidates: usableCandidates(valuesOf('candidate'), MAX_CANDIDATES),
  };
}

function refusal(what: string): StreamKitError {
  return new StreamKitError('unprocessable', `The SDP fragment ${what}`);
}
