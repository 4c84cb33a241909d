import type { RTCDtlsTransport } from 'werift';

import { StreamKitError } from '../../base/errors.js';

/** One end of DTLS in werift (0.24.4). */
export type Dtls = NonNullable<RTCDtlsTransport['dtls']>;
/** A handshake message, or a fragment of one. */
export type HandshakeMessage = Parameters<Dtls['onHandleHandshakes']>[0][number];
export type DtlsRole = 'client' | 'server';

/** RFC 5246 section 7.4, RFC 6347 section 4.3.2. */
export const HANDSHAKE = {
  clientHello: 1,
  serverHello: 2,
  helloVerifyRequest: 3,
  certificate: 11,
  serverKeyExchange: 12,
  certificateRequest: 13,
  serverHelloDone: 14,
  certificateVerify: 15,
  clientKeyExchange: 16,
  finished: 20,
} as const;

/** @throws StreamKitError `internal` if `dtls` is not as it is known here */
export function checkDtls(dtls: Dtls): void {
  const known =
    typeof dtls.onHandleHandshakes === 'function' &&
    typeof dtls.handleFragmentHandshake === 'function' &&
    typeof dtls.transport.socket.onData === 'function' &&
    typeof dtls.cipher.decryptPacket === 'function' &&
    typeof dtls.dtls.flight === 'number' &&
    typeof dtls.dtls.recordSequenceNumber === 'number' &&
    Array.isArray(dtls.dtls.sortedHandshakeCache);
  if (!known) {
    throw new StreamKitError('internal', 'The DTLS end is not as it is known: another version of werift?');
  }
}
