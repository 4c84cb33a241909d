import { createHash, createHmac, timingSafeEqual, verify, X509Certificate } from 'node:crypto';

import { type Dtls, type DtlsRole, HANDSHAKE, type HandshakeMessage } from './werift-dtls.js';

/** RFC 5246 section 7.4.1.4.1: a hash, then a signature algorithm. */
const SHA256 = 4;
const KEY_TYPES: Readonly<Record<number, string>> = { 1: 'rsa', 3: 'ec' };
/** RFC 5246 section 7.4.9. */
const VERIFY_DATA_BYTES = 12;

/**
 * Looks whether messages prove what they are there to prove: that the peer has the key of its certificate, and that both ends
 * have seen the same handshake. werift checks neither (0.24.4): anybody could show a certificate that is somebody else's.
 */
export class HandshakeProofs {
  /** The peer's own. werift may not have taken it yet when the next message is there. */
  #certificate: Buffer | undefined;

  readonly #dtls: Dtls;
  readonly #role: DtlsRole;
  constructor(dtls: Dtls, role: DtlsRole) {
    this.#dtls = dtls;
    this.#role = role;
  }

  /**
   * @param message - the one that is due
   * @returns true for messages that prove nothing
   */
  hold({ msg_type: type, fragment }: HandshakeMessage): boolean {
    switch (type) {
      case HANDSHAKE.certificate:
        this.#certificate = firstCertificate(fragment);
        return true;
      case HANDSHAKE.certificateVerify:
        return isSigned(this.#certificate, transcriptOf(this.#dtls), fragment);
      case HANDSHAKE.serverKeyExchange:
        return this.#isKeySigned(fragment);
      case HANDSHAKE.finished:
        return isFinished(this.#dtls, this.#role, fragment);
      default:
        return true;
    }
  }

  /** RFC 5246 section 7.4.3: type and name of a curve, and a public key by its length, signed with the randoms of both ends. */
  #isKeySigned(fragment: Buffer): boolean {
    const { localRandom, remoteRandom } = this.#dtls.cipher;
    const end = 4 + (fragment[3] ?? 0);
    const signed = [localRandom.serialize(), remoteRandom.serialize(), fragment.subarray(0, end)];
    return isSigned(this.#certificate, Buffer.concat(signed), fragment.subarray(end));
  }
}

/** RFC 5246 section 7.4.2: the length of all of them, then each by its length, three bytes. */
function firstCertificate(fragment: Buffer): Buffer | undefined {
  return fragment.length < 6 ? undefined : fragment.subarray(6, 6 + fragment.readUIntBE(3, 3));
}

/** @param signature - hash and algorithm, a byte each, then the signature by its length, two bytes */
function isSigned(certificate: Buffer | undefined, data: Buffer, signature: Buffer): boolean {
  const [hash, algorithm = 0] = signature;
  if (certificate === undefined || hash !== SHA256 || signature.length < 4) {
    return false;
  }
  try {
    const { publicKey } = new X509Certificate(certificate);
    const bytes = signature.subarray(4, 4 + signature.readUInt16BE(2));
    return publicKey.asymmetricKeyType === KEY_TYPES[algorithm] && verify('sha256', data, publicKey, bytes);
  } catch {
    // It is no certificate, or no signature of its key's.
    return false;
  }
}

/** RFC 5246 sections 5 and 7.4.9. One round of the pseudorandom function is longer than what is taken of it. */
function isFinished(dtls: Dtls, role: DtlsRole, fragment: Buffer): boolean {
  // werift declares it and has none before the keys.
  const { masterSecret } = dtls.cipher as Partial<Dtls['cipher']>;
  if (masterSecret === undefined || fragment.length !== VERIFY_DATA_BYTES) {
    return false;
  }
  const label = role === 'server' ? 'client finished' : 'server finished';
  const hash = createHash('sha256').update(transcriptOf(dtls)).digest();
  const seed = Buffer.concat([Buffer.from(label), hash]);
  const hmac = (data: Buffer): Buffer => createHmac('sha256', masterSecret).update(data).digest();
  const expected = hmac(Buffer.concat([hmac(seed), seed])).subarray(0, VERIFY_DATA_BYTES);
  return timingSafeEqual(expected, fragment);
}

/** All messages that count so far, as if none had been fragmented. */
function transcriptOf({ dtls }: Dtls): Buffer {
  return Buffer.concat(dtls.sortedHandshakeCache.map((message) => message.serialize()));
}
