import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';

import { asError, StreamKitError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type {
  DtlsCertificate,
  DtlsListener,
  MediaSocketFailure,
  RelaySocket,
  RelayTransport,
} from './media-plane.js';
import type { NativeAddon, NativeEvent, NativePlane, OpenedRelay, SocketAddress } from './native-addon.js';
import { trustedCertificates } from './trusted-certificates.js';

export type PacketListener = (socket: number, from: SocketAddress, data: Buffer) => void;

export interface BoundSocket {
  readonly socket: number;
  readonly port: number;
}

/** A TCP port that could not be opened is tried again after that long, for the next viewer. */
const TCP_RETRY_MS = 5000;

/** The planes of this thread, by the UDP port that was asked for. */
const hosts = new Map<number, NativePlaneHost>();

/**
 * One plane of the addon, with its sockets and its threads: shared by all routers of the process that ask for the same
 * UDP port, so that there is one port whatever their number.
 */
export class NativePlaneHost {
  readonly plane: NativePlane;
  readonly packetListeners = new Map<number, PacketListener>();
  readonly consentListeners = new Map<number, () => void>();
  readonly dtlsListeners = new Map<number, DtlsListener>();
  readonly keyframeListeners = new Map<number, () => void>();
  /** By consumer; they get the producer. */
  readonly switchListeners = new Map<number, (producer: number) => void>();
  readonly estimateListeners = new Map<number, (bitrateBps: number) => void>();
  /** By socket: what TURN servers answer. */
  readonly relayListeners = new Map<number, Pick<RelaySocket, 'onAnswer' | 'onEnded'>>();
  readonly mediaSocketListeners = new Map<number, (reason: MediaSocketFailure) => void>();
  readonly #sockets = new Map<string, BoundSocket>();
  /** By address and port. */
  readonly #listeners = new Map<string, BoundSocket>();
  /** The same of those that could not be opened, and when they were tried last. */
  readonly #failedListenersMs = new Map<string, number>();
  /** Codes of the errors for which there was no socket to a TURN server: each is warned of once. */
  readonly #relayRefusals = new Set<unknown>();
  #certificatePem: string | undefined;
  #trustsCertificates = false;
  #holders = 1;
  /** Given to all addresses alike once the first is bound. */
  #port: number;

  readonly #udpPort: number;
  readonly #logger: Logger;
  private constructor(addon: NativeAddon, udpPort: number, logger: Logger, sendThreads: number) {
    this.#udpPort = udpPort;
    this.#logger = logger;
    this.#port = udpPort;
    this.plane = this.#createPlane(addon, sendThreads);
  }

  /**
   * @param udpPort - 0: the system chooses one
   * @param sendThreads - see {@link NativePlaneOptions}; a plane that is shared keeps those that it has
   * @throws StreamKitError `unavailable` if the system gives the plane no thread or no descriptor
   */
  static acquire(addon: NativeAddon, udpPort: number, logger: Logger, sendThreads = 1): NativePlaneHost {
    const shared = hosts.get(udpPort);
    if (shared !== undefined) {
      shared.#holders += 1;
      return shared;
    }
    const host = new NativePlaneHost(addon, udpPort, logger, sendThreads);
    hosts.set(udpPort, host);
    return host;
  }

  /**
   * Opens the socket of a local address, or gives the one that is open.
   *
   * @throws StreamKitError `unavailable`
   */
  bind(address: string): BoundSocket {
    const open = this.#sockets.get(address);
    if (open !== undefined) {
      return open;
    }
    const bound = this.#open(address);
    this.#port ||= bound.port;
    this.#sockets.set(address, bound);
    this.#logger.debug({ address, port: bound.port }, 'bind() | media socket opened');
    return bound;
  }

  /**
   * Opens the TCP port of a local address, or gives the one that is open.
   *
   * @throws StreamKitError `unavailable`
   */
  listenTcp(address: string, port: number): BoundSocket {
    const key = `${address} ${port}`;
    const open = this.#listeners.get(key);
    if (open !== undefined) {
      return open;
    }
    try {
      const bound = this.plane.listenTcp(address, port);
      this.#listeners.set(key, bound);
      return bound;
    } catch (thrown) {
      const cause = asError(thrown);
      const message = `TCP port ${port} of ${address} cannot be opened for media: ${cause.message}`;
      throw new StreamKitError('unavailable', message, { cause });
    }
  }

  /** The same for a viewer, who may do without. */
  findTcp(address: string, port: number): BoundSocket | undefined {
    const key = `${address} ${port}`;
    const failedMs = this.#failedListenersMs.get(key);
    if (failedMs !== undefined && performance.now() - failedMs < TCP_RETRY_MS) {
      return undefined;
    }
    try {
      const bound = this.listenTcp(address, port);
      this.#failedListenersMs.delete(key);
      return bound;
    } catch (thrown) {
      this.#failedListenersMs.set(key, performance.now());
      if (failedMs === undefined) {
        this.#logger.warn(
          { err: asError(thrown), address, port },
          'findTcp() | viewers are offered no TCP here',
        );
      }
      return undefined;
    }
  }

  /**
   * A socket for an allocation at a TURN server; undefined if there is none to be had, which the log says.
   *
   * @param address - local; of UDP alone
   * @param serverName - of TLS alone
   */
  openRelay(
    endpoint: number,
    transport: RelayTransport,
    address: string,
    server: SocketAddress,
    serverName: string,
  ): OpenedRelay | undefined {
    // Node then verifies no certificate, and the plane any.
    if (transport === 'tls' && process.env.NODE_TLS_REJECT_UNAUTHORIZED === '0') return undefined;
    try {
      if (transport === 'udp') return this.plane.openRelay(endpoint, address, server);
      if (transport === 'tcp') return this.plane.dialRelay(endpoint, server, null);
      this.#trustCertificates();
      return this.plane.dialRelay(endpoint, server, nameInCertificates(serverName));
    } catch (thrown) {
      const code = codeOf(thrown);
      const isNew = !this.#relayRefusals.has(code);
      this.#relayRefusals.add(code);
      this.#logger[isNew && code !== 'ENOTSUP' ? 'warn' : 'debug'](
        { err: asError(thrown), transport, server },
        'openRelay() | werift relays for this viewer',
      );
      return undefined;
    }
  }

  #trustCertificates(): void {
    if (this.#trustsCertificates) return;
    const { pem, withSystem } = trustedCertificates();
    this.plane.trustCertificates(pem, withSystem);
    this.#trustsCertificates = true;
  }

  /** Viewers are shown this certificate from now on. */
  useCertificate({ certificatePem, keyPem }: DtlsCertificate): void {
    if (certificatePem !== this.#certificatePem) {
      this.plane.setCertificate(certificatePem, keyPem);
      this.#certificatePem = certificatePem;
    }
  }

  /** The last one closes the plane. To be called once by each holder. */
  release(): void {
    this.#holders -= 1;
    if (this.#holders > 0) {
      return;
    }
    hosts.delete(this.#udpPort);
    this.#logger.debug({ stats: this.plane.stats() }, 'release() | native media plane closed');
    this.plane.close();
  }

  #createPlane(addon: NativeAddon, sendThreads: number): NativePlane {
    try {
      return addon.createPlane({ sendThreads }, (events) => {
        this.#dispatch(events);
      });
    } catch (thrown) {
      const cause = asError(thrown);
      this.#logger.error({ err: cause }, 'createPlane() | no native media plane');
      throw new StreamKitError('unavailable', cause.message, { cause });
    }
  }

  #open(address: string): BoundSocket {
    try {
      return this.#bindPort(address);
    } catch (thrown) {
      const cause = asError(thrown);
      const message = `UDP port ${this.#port} of ${address} cannot be opened: ${cause.message}`;
      this.#logger.error({ err: cause, address, port: this.#port }, 'bind() | no media socket');
      throw new StreamKitError('unavailable', message, { cause });
    }
  }

  #bindPort(address: string): BoundSocket {
    try {
      return this.plane.bind(address, this.#port);
    } catch (thrown) {
      // A port that the system chose for one address may be taken on another.
      if (this.#udpPort !== 0 || this.#port === 0 || codeOf(thrown) !== 'EADDRINUSE') {
        throw thrown;
      }
      this.#logger.warn({ address, port: this.#port }, 'bind() | the port is taken here, another is used');
      return this.plane.bind(address, 0);
    }
  }

  #dispatch(events: readonly NativeEvent[]): void {
    for (const event of events) {
      try {
        this.#deliver(event);
      } catch (thrown) {
        this.#logger.error(
          { err: asError(thrown), type: event.type },
          'dispatch() | an event was not handled',
        );
      }
    }
  }

  #deliver(event: NativeEvent): void {
    switch (event.type) {
      case 'packet':
        this.packetListeners.get(event.endpoint)?.(event.socket, event.from, event.data);
        break;
      case 'dtlsConnected':
        this.dtlsListeners.get(event.endpoint)?.onConnected();
        break;
      case 'dtlsData':
        this.dtlsListeners.get(event.endpoint)?.onData(event.data);
        break;
      case 'dtlsEnded':
        this.dtlsListeners.get(event.endpoint)?.onEnded(event.reason);
        break;
      case 'consentLost':
        this.consentListeners.get(event.consent)?.();
        break;
      case 'keyframe':
        this.keyframeListeners.get(event.producer)?.();
        break;
      case 'mediaSocketFailed':
        this.mediaSocketListeners.get(event.id)?.(event.reason);
        break;
      case 'switched':
        this.switchListeners.get(event.consumer)?.(event.producer);
        break;
      case 'relayAnswer':
        this.relayListeners.get(event.socket)?.onAnswer(event.data);
        break;
      case 'relayEnded':
        this.relayListeners.get(event.socket)?.onEnded(event.reason);
        break;
      case 'estimate':
        this.estimateListeners.get(event.transport)?.(event.bitrateBps);
        break;
    }
  }
}

/** In ASCII (RFC 5890), and without the dot that may end it (RFC 6066 section 3). Empty: it is no name. */
function nameInCertificates(host: string): string {
  return isIP(host) === 0 ? domainToASCII(host).replace(/\.$/, '') : host;
}

function codeOf(thrown: unknown): unknown {
  return thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;
}
