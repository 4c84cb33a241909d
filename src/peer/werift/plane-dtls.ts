import type { RTCDtlsTransport } from 'werift';

import { StreamKitError } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import type { DtlsEnd, DtlsParameters, IceEndpoint } from '../../fanout/media-plane.js';

/** Records that may wait until SCTP has been started. */
const MAX_EARLY_RECORDS = 16;

/** What is used of werift's private parts (werift 0.24.4). */
interface DtlsInternals {
  state: string;
  role: 'auto' | 'client' | 'server';
  readonly iceTransport: { readonly role: string };
  readonly localCertificate?: { readonly certPem: string; readonly privateKey: string };
  readonly remoteParameters?: {
    readonly fingerprints: readonly { readonly algorithm: string; readonly value: string }[];
  };
  dataReceiver(data: Buffer): void;
  sendData(data: Buffer): Promise<void>;
  sendRtp(payload: Buffer, header: unknown): Promise<number>;
  sendRtcp(packets: readonly unknown[]): Promise<void>;
  setState(state: 'connecting' | 'connected' | 'closed' | 'failed'): void;
  start(): Promise<void>;
}

/** Decides how the packets of a viewer go: see SharedPortIce. */
interface PathChooser {
  choosePath(): IceEndpoint | undefined;
}

/**
 * Lets the media plane do the DTLS of a viewer that it reaches on its own port; werift does that of the others. The SRTP keys
 * stay in the plane, and werift's transport sends no RTP and no RTCP: under the same keys it would use the nonces of the plane
 * again (RFC 7714 sections 8.1 and 9.1).
 */
export class PlaneDtls {
  readonly #dtls: DtlsInternals;
  readonly #logger: Logger;

  /**
   * @param dtlsTransport - not started
   * @throws StreamKitError `internal` if werift is not as it is known here
   */
  constructor(dtlsTransport: RTCDtlsTransport, ice: PathChooser, logger: Logger) {
    const dtls = dtlsTransport as unknown as DtlsInternals;
    const methods = ['sendData', 'sendRtp', 'sendRtcp', 'setState', 'start'] as const;
    if (!methods.every((name) => typeof dtls[name] === 'function')) {
      throw new StreamKitError('internal', 'The DTLS transport is not as it is known');
    }
    this.#dtls = dtls;
    this.#logger = logger;
    const startByWerift = dtls.start.bind(dtls);
    // `WeriftConnection` calls it when ICE is up; the connection is given up if it rejects.
    dtls.start = () => {
      const endpoint = ice.choosePath();
      return endpoint === undefined ? startByWerift() : this.#start(endpoint);
    };
  }

  async #start(endpoint: IceEndpoint): Promise<void> {
    const dtls = this.#dtls;
    // As werift has it.
    if (dtls.role === 'auto') {
      dtls.role = dtls.iceTransport.role === 'controlling' ? 'server' : 'client';
    }
    const parameters = parametersOf(dtls, dtls.role);
    const early: Buffer[] = [];
    let isReady = false;
    dtls.sendRtp = () => Promise.resolve(0);
    dtls.sendRtcp = () => Promise.resolve();
    dtls.sendData = (data) => {
      endpoint.sendDtls(data);
      return Promise.resolve();
    };
    dtls.setState('connecting');
    await new Promise<void>((resolve, reject) => {
      endpoint.startDtls(parameters, {
        onConnected: resolve,
        onData: (data) => {
          if (isReady) dtls.dataReceiver(data);
          else if (early.length < MAX_EARLY_RECORDS) early.push(data);
        },
        onEnded: (reason) => {
          this.#logger.debug({ reason }, 'onEnded() | DTLS has ended');
          dtls.setState(reason === 'closed' ? 'closed' : 'failed');
          reject(errorOf(reason));
        },
      });
    });
    dtls.setState('connected');
    // SCTP is started when this has resolved.
    setImmediate(() => {
      isReady = true;
      for (const data of early.splice(0)) dtls.dataReceiver(data);
    });
  }
}

/** @throws StreamKitError `internal` before the descriptions have been exchanged */
function parametersOf(dtls: DtlsInternals, role: 'client' | 'server'): DtlsParameters {
  const { localCertificate, remoteParameters } = dtls;
  if (dtls.state !== 'new' || localCertificate === undefined || remoteParameters === undefined) {
    throw new StreamKitError('internal', 'The DTLS transport cannot be started in this state');
  }
  return {
    role,
    certificate: { certificatePem: localCertificate.certPem, keyPem: localCertificate.privateKey },
    fingerprints: remoteParameters.fingerprints
      .map(({ algorithm, value }) => `${algorithm} ${value}`)
      .join('\n'),
  };
}

function errorOf(reason: DtlsEnd): StreamKitError {
  return reason === 'capacity'
    ? new StreamKitError('at_capacity', 'Too many viewers are connecting at once')
    : new StreamKitError('unavailable', `The DTLS handshake failed: ${reason}`);
}
