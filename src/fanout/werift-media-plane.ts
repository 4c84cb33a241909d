import type { RTCDtlsTransport } from 'werift';

import type { Clock } from '../base/clock.js';
import { StreamKitError } from '../base/errors.js';
import type { LogContext, Logger } from '../base/logger.js';
import type {
  IceEndpoint,
  MediaPlane,
  MediaTransport,
  Producer,
  ProducerListener,
  ProducerParameters,
} from './media-plane.js';
import { MediaTime } from './media-time.js';
import { WeriftMediaTransport } from './werift-media-transport.js';
import { WeriftProducer } from './werift-producer.js';

export interface WeriftMediaPlaneOptions {
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The media plane in JavaScript: for platforms where the native one is not built. */
export function createWeriftMediaPlane(options: WeriftMediaPlaneOptions): MediaPlane {
  return new WeriftMediaPlane(options.clock, options.logger);
}

class WeriftMediaPlane implements MediaPlane {
  readonly name = 'werift';
  readonly #time: MediaTime;
  readonly #producers = new Set<WeriftProducer>();
  readonly #transports = new Set<WeriftMediaTransport>();
  #isClosed = false;

  readonly #clock: Clock;
  readonly #logger: Logger;
  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
    this.#time = new MediaTime(clock);
  }

  get closed(): boolean {
    return this.#isClosed;
  }

  createProducer(parameters: ProducerParameters, listener: ProducerListener): Producer {
    this.#assertOpen();
    const producer = new WeriftProducer(parameters, listener, this.#clock, (closed) => {
      this.#producers.delete(closed);
    });
    this.#producers.add(producer);
    return producer;
  }

  createTransport(
    dtlsTransport: RTCDtlsTransport,
    _endpoint?: IceEndpoint,
    logContext?: LogContext,
  ): MediaTransport {
    this.#assertOpen();
    const logger = this.#logger.child({ ...logContext });
    const transport = new WeriftMediaTransport(dtlsTransport, this.#time, logger, (closed) => {
      this.#transports.delete(closed);
    });
    this.#transports.add(transport);
    return transport;
  }

  close(): Promise<void> {
    this.#isClosed = true;
    for (const transport of [...this.#transports]) {
      transport.close();
    }
    for (const producer of [...this.#producers]) {
      producer.close();
    }
    return Promise.resolve();
  }

  #assertOpen(): void {
    if (this.#isClosed) {
      throw new StreamKitError('internal', 'The media plane is closed');
    }
  }
}
