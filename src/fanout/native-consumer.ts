import { newConsumerStats } from './consumer-stats.js';
import type { Consumer, ConsumerParameters, ConsumerStats } from './media-plane.js';
import type { NativePlaneHost } from './native-plane-host.js';
import type { NativeProducer } from './native-producer.js';

/** One viewer's share of one producer on the native plane. */
export class NativeConsumer implements Consumer {
  private readonly id: number;
  private lastStats: Readonly<ConsumerStats> = newConsumerStats();
  private closed = false;

  /** @throws Error where the transport is closed, or has the SSRC already */
  constructor(
    private readonly host: NativePlaneHost,
    transport: number,
    private readonly producer: NativeProducer,
    parameters: ConsumerParameters,
    private readonly onClosed: (consumer: NativeConsumer) => void,
  ) {
    const { ssrc, payloadType, rtxSsrc, rtxPayloadType, mid, cname, headerExtensions } = parameters;
    const hasRtx = rtxSsrc !== undefined && rtxPayloadType !== undefined;
    this.id = host.plane.consume(transport, producer.id, {
      ssrc,
      payloadType,
      rtxSsrc: hasRtx ? rtxSsrc : 0,
      rtxPayloadType: hasRtx ? rtxPayloadType : 0,
      mid,
      cname,
      midId: headerExtensions.mid ?? 0,
      transportWideCcId: headerExtensions.transportWideCc ?? 0,
      playoutDelayId: headerExtensions.playoutDelay ?? 0,
      absCaptureTimeId: headerExtensions.absCaptureTime ?? 0,
      playoutDelayMaxMs: parameters.playoutDelayMaxMs ?? 0,
      targetBitrateBps: producer.targetBitrateBps,
    });
    producer.consumers.add(this);
  }

  get stats(): Readonly<ConsumerStats> {
    const stats = this.closed ? undefined : this.host.plane.consumerStats(this.id);
    if (stats !== undefined) {
      this.lastStats = { ...stats, rttMs: stats.rttMs < 0 ? undefined : stats.rttMs };
    }
    return this.lastStats;
  }

  pause(): void {
    if (!this.closed) {
      this.host.plane.pauseConsumer(this.id);
    }
  }

  resume(): void {
    if (!this.closed) {
      this.host.plane.resumeConsumer(this.id);
    }
  }

  setTargetBitrate(bitrateBps: number): void {
    this.host.plane.setTargetBitrate(this.id, bitrateBps);
  }

  close(): void {
    if (this.closed) {
      return;
    }
    // What it came to is still asked for afterwards.
    this.lastStats = this.stats;
    this.closed = true;
    this.producer.consumers.delete(this);
    this.host.plane.closeConsumer(this.id);
    this.onClosed(this);
  }
}
