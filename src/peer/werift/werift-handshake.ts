import { createPrivateKey, type KeyObject, sign } from 'node:crypto';

import { RTCDtlsTransport } from 'werift';

import type { Clock } from '../../base/clock.js';
import { type HandshakeTurn, type HandshakeTurns, processHandshakeTurns } from './handshake-turns.js';

type Dtls = NonNullable<RTCDtlsTransport['dtls']>;
type HandshakeMessage = Parameters<Dtls['onHandleHandshakes']>[0][number];

/** RFC 5246 section 7.4. */
const CLIENT_HELLO = 1;
const CERTIFICATE = 11;
const CERTIFICATE_VERIFY = 15;
const CLIENT_KEY_EXCHANGE = 16;
/** A server's flight with its certificate, and the last one: RFC 6347 section 4.2.4. */
const FLIGHT_OF_CERTIFICATE = 4;

let prepared: Promise<void> | undefined;

/**
 * Makes the certificate that all viewers of the process are shown, in the background: otherwise the first one would wait
 * for it. A failure shows where the first offer is made.
 */
export function prepareCertificate(): void {
  prepared ??= RTCDtlsTransport.SetupCertificate().then(
    (certificate) => {
      const fingerprints = certificate.getFingerprints();
      // werift reads the certificate anew at each description, several times.
      certificate.getFingerprints = () => [...fingerprints];
    },
    () => undefined,
  );
}

/** The DTLS handshake of one viewer by werift: begun in its turn, and fitted to a thread that has others to serve. */
export class WeriftHandshake {
  #turn: HandshakeTurn | undefined;
  #ended = false;

  readonly #dtlsTransport: RTCDtlsTransport;
  /** @param dtlsTransport - not started */
  constructor(dtlsTransport: RTCDtlsTransport, clock: Clock, turns: HandshakeTurns = processHandshakeTurns) {
    this.#dtlsTransport = dtlsTransport;
    const start = dtlsTransport.start.bind(dtlsTransport);
    // werift calls it when ICE is up, and gives the connection up where it rejects.
    dtlsTransport.start = async () => {
      if (!this.#ended) {
        this.#turn = turns.take(clock);
        await this.#turn.begun;
      }
      // It throws where the peer has been closed meanwhile.
      return start();
    };
    dtlsTransport.onStateChange.subscribe((state) => {
      if (state !== 'connecting') {
        this.end();
        return;
      }
      // It makes its end, and listens, as soon as this has been said.
      queueMicrotask(() => {
        this.#fit();
      });
    });
  }

  /** Gives the turn to the next one. Idempotent. */
  end(): void {
    this.#ended = true;
    this.#turn?.end();
  }

  /** Before anything has arrived. */
  #fit(): void {
    const { dtls, role } = this.#dtlsTransport;
    if (dtls === undefined) {
      return;
    }
    if (role === 'server') {
      ignoreRepeatedFlights(dtls);
    }
    signQuickly(dtls);
  }
}

/**
 * A client repeats its flight when it has no answer after 50 ms, as where this thread is busy. werift would begin anew with
 * a hello that it has answered, and would compute the keys once more, from messages that were not there the first time:
 * both ends then have other keys and the handshake never ends. Left to it are the hello with a cookie and the last
 * message of a flight, which it answers by repeating its own.
 */
function ignoreRepeatedFlights(dtls: Dtls): void {
  const handle = dtls.onHandleHandshakes.bind(dtls);
  const taken = new Set<number>();
  const isRepeated = ({ msg_type: type, fragment }: HandshakeMessage): boolean => {
    switch (type) {
      case CLIENT_HELLO:
        return dtls.dtls.flight >= FLIGHT_OF_CERTIFICATE && !hasCookie(fragment);
      case CERTIFICATE:
      case CERTIFICATE_VERIFY:
      case CLIENT_KEY_EXCHANGE: {
        const repeated = taken.has(type);
        taken.add(type);
        return repeated;
      }
      default:
        return false;
    }
  };
  dtls.onHandleHandshakes = (messages) => handle(messages.filter((message) => !isRepeated(message)));
}

/** RFC 6347 section 4.2.1: version, random, session id by its length, cookie by its length. */
function hasCookie(hello: Buffer): boolean {
  const sessionIdBytes = hello[34] ?? 0;
  return (hello[35 + sessionIdBytes] ?? 0) > 0;
}

/** werift has OpenSSL read the key from its text for each signature, which takes ten times as long as the signature. */
function signQuickly({ cipher }: Dtls): void {
  const key = cipher.localPrivateKey;
  key.sign = (data, hash) => sign(hash, data, keyOf(key.toPEM()));
}

/** The certificate's key, read once. */
let lastKey: { readonly pem: string; readonly key: KeyObject } | undefined;

function keyOf(pem: string): KeyObject {
  if (lastKey?.pem !== pem) {
    lastKey = { pem, key: createPrivateKey(pem) };
  }
  return lastKey.key;
}
