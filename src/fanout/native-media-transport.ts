import { StreamKitError } from '../base/errors.js';
import type { Consumer, ConsumerParameters, MediaTransport, Producer } from './media-plane.js';
import { NativeConsumer } from './native-consumer.js';
import type { NativeIceEndpoint } from './native-ice-endpoint.js';
import type { NativePlaneHost } from './native-plane-host.js';
import { NativeProducer } from './native-producer.js';

/**
 * SSRCs under one key. Where each ended must be remembered, for the numbers that follow may not come again; beyond this, the
 * plane's thread takes none (`MediaTransport::admits`).
 */
const MAX_SSRCS = 512;

/** One viewer's SRTP and SRTCP on the native plane. */
export class NativeMediaTransport implements MediaTransport {
  readonly #id: number;
  readonly #consumers = new Set<NativeConsumer>();
  /** Those that were in use. */
  readonly #retiredSsrcs = new Set<number>();
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
    if (this.#retiredSsrcs.size + 3 * this.#consumers.size >= MAX_SSRCS) {
      const sentence = `A transport takes ${MAX_SSRCS} SSRCs, with RTX and FEC, under one key: open another one`;
      throw new StreamKitError('at_capacity', sentence);
    }
    const { ssrc, rtxSsrc, fecSsrc } = parameters;
    const consumer = new NativeConsumer(this.#host, this.#id, producer, parameters, (closed) => {
      this.#consumers.delete(closed);
      this.#retiredSsrcs.add(ssrc);
      if (rtxSsrc !== undefined) this.#retiredSsrcs.add(rtxSsrc);
      if (fecSsrc !== undefined) this.#retiredSsrcs.add(fecSsrc);
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
