import { StreamKitError } from '../base/errors.js';
import type { Consumer, ConsumerParameters, MediaTransport, Producer } from './media-plane.js';
import { NativeConsumer } from './native-consumer.js';
import type { NativeIceEndpoint } from './native-ice-endpoint.js';
import type { NativePlaneHost } from './native-plane-host.js';
import { NativeProducer } from './native-producer.js';

/** One viewer's SRTP and SRTCP on the native plane. */
export class NativeMediaTransport implements MediaTransport {
  readonly #id: number;
  readonly #consumers = new Set<NativeConsumer>();
  #droppedAtClose = 0;
  onEstimate: ((bitrateBps: number) => void) | undefined;
  #closed = false;

  readonly #host: NativePlaneHost;
  readonly #onClosed: (transport: NativeMediaTransport) => void;
  /** @param endpoint - with a DTLS connection */
  constructor(
    host: NativePlaneHost,
    endpoint: NativeIceEndpoint,
    onClosed: (transport: NativeMediaTransport) => void,
  ) {
    this.#host = host;
    this.#onClosed = onClosed;
    this.#id = host.plane.createTransport(endpoint.id);
    host.estimateListeners.set(this.#id, (bitrateBps) => this.onEstimate?.(bitrateBps));
  }

  get rtcpDropped(): number {
    return this.#closed ? this.#droppedAtClose : this.#host.plane.rtcpDropped(this.#id);
  }

  get estimatedBitrateBps(): number | undefined {
    const bitrateBps = this.#closed
      ? 0
      : (this.#host.plane.transportStats(this.#id)?.estimatedBitrateBps ?? 0);
    return bitrateBps > 0 ? bitrateBps : undefined;
  }

  consume(producer: Producer, parameters: ConsumerParameters): Consumer {
    if (!(producer instanceof NativeProducer) || producer.isClosed || this.#closed) {
      throw new StreamKitError('internal', 'A consumer needs an open producer and transport of one plane');
    }
    const consumer = new NativeConsumer(this.#host, this.#id, producer, parameters, (closed) => {
      this.#consumers.delete(closed);
    });
    this.#consumers.add(consumer);
    return consumer;
  }

  close(): void {
    if (this.#closed) {
      return;
    }
    this.#droppedAtClose = this.rtcpDropped;
    this.#closed = true;
    for (const consumer of [...this.#consumers]) {
      consumer.close();
    }
    this.#host.estimateListeners.delete(this.#id);
    this.#host.plane.closeTransport(this.#id);
    this.#onClosed(this);
  }
}
