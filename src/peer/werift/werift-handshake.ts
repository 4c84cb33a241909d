import { createPrivateKey, type KeyObject, sign } from 'node:crypto';

import { RTCDtlsTransport } from 'werift';

import type { Clock } from '../../base/clock.js';
import { asError } from '../../base/errors.js';
import { admitRecords } from './dtls-records.js';
import { HandshakeFragments } from './handshake-fragments.js';
import { HandshakeOrder } from './handshake-order.js';
import { type HandshakeTurn, type HandshakeTurns, processHandshakeTurns } from './handshake-turns.js';
import { checkDtls, type Dtls, type DtlsRole } from './werift-dtls.js';

let prepared: Promise<void> | undefined;

/**
 * Makes the certificate that all viewers of the process are shown, in the background: otherwise the first one would wait
 * for it. A failure shows where the first offer is made.
 */
export function prepareCertificate(): void {
  prepared ??= RTCDtlsTransport.SetupCertificate().then(
    (certificate) => {
      const fingerprints = certificate.getFingerprints();
      // They are asked for with each offer, and would be computed anew.
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
  readonly #clock: Clock;
  /** @param dtlsTransport - not started */
  constructor(dtlsTransport: RTCDtlsTransport, clock: Clock, turns: HandshakeTurns = processHandshakeTurns) {
    this.#dtlsTransport = dtlsTransport;
    this.#clock = clock;
    const start = dtlsTransport.start.bind(dtlsTransport);
    // `WeriftConnection` calls it when ICE is up; the connection is given up where it rejects.
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
    if (dtls === undefined || role === 'auto') {
      return;
    }
    try {
      fitDtls(dtls, role, this.#clock);
    } catch (thrown) {
      dtls.onError.execute(asError(thrown));
    }
  }
}

/** More than the records that a handshake takes, with all that it repeats. */
const FIRST_DATA_RECORD = 1024;

/**
 * Makes one end of a handshake safe and quick. Before it has received anything.
 *
 * @throws StreamKitError `internal` if werift is not as it is known here
 */
export function fitDtls(dtls: Dtls, role: DtlsRole, clock: Clock): void {
  checkDtls(dtls);
  const fragments = new HandshakeFragments();
  dtls.handleFragmentHandshake = (messages) => messages.flatMap((message) => fragments.add(message));
  new HandshakeOrder(dtls, role, clock);
  admitRecords(dtls);
  numberDataAnew(dtls);
  signQuickly(dtls);
}

/**
 * werift numbers records from 0 again after Finished, which has a number of the handshake's already (0.24.4): two records under one
 * nonce would give away the key that authenticates them (RFC 5288 section 3).
 */
function numberDataAnew(dtls: Dtls): void {
  dtls.onConnect.subscribe(() => {
    dtls.dtls.recordSequenceNumber = FIRST_DATA_RECORD;
  });
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
