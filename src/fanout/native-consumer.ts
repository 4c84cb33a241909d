import { newConsumerStats } from './consumer-stats.js';
import { StreamKitError } from '../base/errors.js';
import type { Consumer, ConsumerParameters, ConsumerStats, Producer } from './media-plane.js';
import type { NativePlaneHost } from './native-plane-host.js';
import { NativeProducer } from './native-producer.js';

/** One viewer's share of one producer on the native plane. */
export class NativeConsumer implements Consumer {
  readonly #id: number;
  #lastStats: Readonly<ConsumerStats> = newConsumerStats();
  #closed = false;
  /** What it was last told to go over to, until it has. */
  #switching: { readonly producer: NativeProducer; readonly onSwitched: () => void } | undefined;

  readonly #host: NativePlaneHost;
  #producer: NativeProducer;
  readonly #onClosed: (consumer: NativeConsumer) => void;
  /** @throws Error where the transport is closed, or has the SSRC already */
  constructor(
    host: NativePlaneHost,
    transport: number,
    producer: NativeProducer,
    parameters: ConsumerParameters,
    onClosed: (consumer: NativeConsumer) => void,
  ) {
    this.#host = host;
    this.#producer = producer;
    this.#onClosed = onClosed;
    const { ssrc, payloadType, rtxSsrc, rtxPayloadType, fecSsrc, fecPayloadType } = parameters;
    const { mid, cname, headerExtensions } = parameters;
    const hasRtx = rtxSsrc !== undefined && rtxPayloadType !== undefined;
    const hasFec = fecSsrc !== undefined && fecPayloadType !== undefined;
    this.#id = host.plane.consume(transport, producer.id, {
      ssrc,
      payloadType,
      rtxSsrc: hasRtx ? rtxSsrc : 0,
      rtxPayloadType: hasRtx ? rtxPayloadType : 0,
      redPayloadType: parameters.redPayloadType ?? 0,
      packetTimeMaxMs: parameters.packetTimeMaxMs ?? 0,
      fecSsrc: hasFec ? fecSsrc : 0,
      fecPayloadType: hasFec ? fecPayloadType : 0,
      mid,
      cname,
      midId: headerExtensions.mid ?? 0,
      transportWideCcId: headerExtensions.transportWideCc ?? 0,
      playoutDelayId: headerExtensions.playoutDelay ?? 0,
      absCaptureTimeId: headerExtensions.absCaptureTime ?? 0,
      rid: parameters.rid ?? '',
      ridId: headerExtensions.rid ?? 0,
      repairedRidId: headerExtensions.repairedRid ?? 0,
      playoutDelayMaxMs: parameters.playoutDelayMaxMs ?? 0,
      targetBitrateBps: producer.targetBitrateBps,
      forwarded: parameters.forwarded ?? false,
    });
    producer.consumers.add(this);
  }

  get stats(): Readonly<ConsumerStats> {
    const stats = this.#closed ? undefined : this.#host.plane.consumerStats(this.#id);
    if (stats !== undefined) {
      this.#lastStats = { ...stats, rttMs: stats.rttMs < 0 ? undefined : stats.rttMs };
    }
    return this.#lastStats;
  }

  pause(): void {
    if (!this.#closed) {
      this.#host.plane.pauseConsumer(this.#id);
    }
  }

  resume(): void {
    if (!this.#closed) {
      this.#host.plane.resumeConsumer(this.#id);
    }
  }

  switchTo(producer: Producer, onSwitched: () => void = () => undefined): void {
    if (!(producer instanceof NativeProducer) || producer.isClosed) {
      throw new StreamKitError('internal', 'A consumer needs an open producer of its plane');
    }
    if (this.#closed) {
      return;
    }
    this.#switching = producer === this.#producer ? undefined : { producer, onSwitched };
    this.#host.switchListeners.set(this.#id, (id) => {
      this.#switched(id);
    });
    this.#host.plane.switchConsumer(this.#id, producer.id);
  }

  /** Another producer than the last order may be told: it had gone over before it heard of that. */
  #switched(id: number): void {
    const switching = this.#switching;
    if (switching?.producer.id !== id) {
      return;
    }
    this.#switching = undefined;
    this.#producer.consumers.delete(this);
    this.#producer = switching.producer;
    if (this.#producer.isClosed) {
      this.close();
      return;
    }
    this.#producer.consumers.add(this);
    this.setTargetBitrate(this.#producer.targetBitrateBps);
    switching.onSwitched();
  }

  producerClosed(): void {
    // The plane lets a consumer that was to go over to another producer do so now.
    if (this.#switching === undefined || this.#switching.producer.isClosed) {
      this.close();
    }
  }

  setTargetBitrate(bitrateBps: number): void {
    this.#host.plane.setTargetBitrate(this.#id, bitrateBps);
  }

  close(): void {
    if (this.#closed) {
      return;
    }
    // What it came to is still asked for afterwards.
    this.#lastStats = this.stats;
    this.#closed = true;
    this.#producer.consumers.delete(this);
    this.#switching = undefined;
    this.#host.switchListeners.delete(this.#id);
    this.#host.plane.closeConsumer(this.#id);
    this.#onClosed(this);
  }
}
