import type { RTCDtlsTransport } from 'werift';

import type { Clock } from '../base/clock.js';
import { StreamKitError } from '../base/errors.js';
import type { LogContext, Logger } from '../base/logger.js';
import type {
  Consumer,
  ConsumerParameters,
  IceEndpoint,
  MediaPlane,
  MediaTransport,
  Producer,
  ProducerListener,
  ProducerParameters,
} from './media-plane.js';
import type { MediaSocket, MediaSocketFailure } from './media-plane.js';
import type { NativeAddon, NativePlaneStats } from './native-addon.js';
import { NativeIceEndpoint } from './native-ice-endpoint.js';
import { NativeMediaTransport } from './native-media-transport.js';
import { NativeMediaSocket } from './native-media-socket.js';
import { NativePlaneHost } from './native-plane-host.js';
import { NativeProducer } from './native-producer.js';
import { createWeriftMediaPlane } from './werift-media-plane.js';

export interface NativeMediaPlaneOptions {
  readonly addon: NativeAddon;
  /** UDP port for all viewers of the process; 0: the system chooses one. */
  readonly udpPort: number;
  /** TCP port for viewers that no UDP reaches. Default: none. */
  readonly tcpPort?: number | undefined;
  /** Threads that send, 1–16. Default 1. */
  readonly sendThreads?: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The media plane in C++: one UDP port, and no JavaScript a packet. */
export class NativeMediaPlane implements MediaPlane {
  readonly name = 'native';
  readonly #host: NativePlaneHost;
  readonly #producers = new Set<NativeProducer>();
  readonly #transports = new Set<MediaTransport>();
  readonly #endpoints = new Set<NativeIceEndpoint>();
  /** For viewers that are reached through a relay alone; made when there is the first. */
  #relayPlane: MediaPlane | undefined;
  #isClosed = false;

  readonly #options: NativeMediaPlaneOptions;
  constructor(options: NativeMediaPlaneOptions) {
    this.#options = options;
    const { addon, udpPort, logger, sendThreads } = options;
    this.#host = NativePlaneHost.acquire(addon, udpPort, logger, sendThreads);
  }

  get closed(): boolean {
    return this.#isClosed;
  }

  /** Counts of the whole plane, other routers of the process included. */
  get stats(): NativePlaneStats {
    return this.#host.plane.stats();
  }

  /**
   * Opens the sockets of a local address before there is a viewer for it.
   *
   * @returns its UDP port
   * @throws StreamKitError `unavailable` where the address cannot be bound
   */
  openPort(address: string): number {
    this.#assertOpen();
    const { tcpPort } = this.#options;
    if (tcpPort !== undefined) this.#host.listenTcp(address, tcpPort);
    return this.#host.bind(address).port;
  }

  createProducer(parameters: ProducerParameters, listener: ProducerListener): Producer {
    this.#assertOpen();
    const producer = new NativeProducer(
      this.#host,
      parameters,
      listener,
      this.#options.clock,
      () => this.#relay(),
      (closed) => {
        this.#producers.delete(closed);
      },
    );
    this.#producers.add(producer);
    return producer;
  }

  openMediaSocket(onFailed: (reason: MediaSocketFailure) => void): MediaSocket {
    this.#assertOpen();
    return new NativeMediaSocket(this.#host, onFailed);
  }

  openIceEndpoint(): IceEndpoint {
    this.#assertOpen();
    const endpoint = new NativeIceEndpoint(this.#host, this.#options.tcpPort, (closed) => {
      this.#endpoints.delete(closed);
    });
    this.#endpoints.add(endpoint);
    return endpoint;
  }

  createTransport(
    dtlsTransport: RTCDtlsTransport,
    endpoint?: IceEndpoint,
    logContext?: LogContext,
  ): MediaTransport {
    this.#assertOpen();
    if (endpoint === undefined) {
      return new RelayedMediaTransport(this.#relay().createTransport(dtlsTransport, undefined, logContext));
    }
    if (!(endpoint instanceof NativeIceEndpoint)) {
      throw new StreamKitError('internal', 'The ICE endpoint is of another media plane');
    }
    const transport = new NativeMediaTransport(this.#host, endpoint, (closed) => {
      this.#transports.delete(closed);
    });
    this.#transports.add(transport);
    return transport;
  }

  async close(): Promise<void> {
    if (this.#isClosed) {
      return;
    }
    this.#isClosed = true;
    try {
      for (const closable of [...this.#transports, ...this.#producers, ...this.#endpoints]) {
        closable.close();
      }
      await this.#relayPlane?.close();
    } finally {
      this.#host.release();
    }
  }

  #relay(): MediaPlane {
    this.#relayPlane ??= createWeriftMediaPlane(this.#options);
    return this.#relayPlane;
  }

  #assertOpen(): void {
    if (this.#isClosed) {
      throw new StreamKitError('internal', 'The media plane is closed');
    }
  }
}

/** A viewer that no socket of the plane reaches: the same producers, through werift's way of sending. */
class RelayedMediaTransport implements MediaTransport {
  readonly #transport: MediaTransport;
  constructor(transport: MediaTransport) {
    this.#transport = transport;
  }

  get rtcpDropped(): number {
    return this.#transport.rtcpDropped;
  }

  consume(producer: Producer, parameters: ConsumerParameters): Consumer {
    return new RelayedConsumer(this.#transport.consume(relayOf(producer), parameters));
  }

  close(): void {
    this.#transport.close();
  }
}

/** Its share: of what the relays of producers send. */
class RelayedConsumer implements Consumer {
  readonly #consumer: Consumer;
  constructor(consumer: Consumer) {
    this.#consumer = consumer;
  }

  get stats() {
    return this.#consumer.stats;
  }

  pause(): void {
    this.#consumer.pause();
  }

  resume(): void {
    this.#consumer.resume();
  }

  switchTo(producer: Producer, onSwitched?: () => void): void {
    this.#consumer.switchTo(relayOf(producer), onSwitched);
  }

  close(): void {
    this.#consumer.close();
  }
}

function relayOf(producer: Producer): Producer {
  if (!(producer instanceof NativeProducer) || producer.isClosed) {
    throw new StreamKitError('internal', 'A consumer needs an open producer and transport of one plane');
  }
  return producer.relay();
}
