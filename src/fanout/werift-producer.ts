import type { Clock } from '../base/clock.js';
import type { RtpPayloads } from '../render/packetize/rtp-payloads.js';
import { KeyframeRequestPolicy } from './keyframe-request-policy.js';
import type { Producer, ProducerListener, ProducerParameters } from './media-plane.js';
import { DEFAULT_HISTORY_MS, DEFAULT_KEYFRAME_INTERVAL_MIN_MS } from './media-plane.js';
import { RtpRetransmissionBuffer } from './rtp-retransmission-buffer.js';

/** What a producer knows of a consumer. */
export interface PayloadSink {
  /** @param firstPacket - count of the frame's first packet in the producer's history */
  send(payloads: RtpPayloads, firstPacket: number): void;
  /** Ends with the producer, unless it goes over to another one. */
  producerClosed(): void;
}

/** One that waits for a producer's keyframe. */
export interface ArrivingSink {
  /** The keyframe is about to be sent. It adds itself. */
  arrive(): void;
}

/** One encoded source: the history that its consumers share, and the keyframe requests of all of them. */
export class WeriftProducer implements Producer {
  readonly kind: 'video' | 'audio';
  readonly clockRateHz: number;
  readonly needsFrames = true;
  readonly history: RtpRetransmissionBuffer;
  readonly historyMs: number;
  readonly #keyframes: KeyframeRequestPolicy;
  readonly #consumers = new Set<PayloadSink>();
  /** Those that come over with the next keyframe. */
  readonly #arrivals = new Set<ArrivingSink>();
  #closed = false;

  readonly #clock: Clock;
  readonly #onClosed: (producer: WeriftProducer) => void;
  constructor(
    parameters: ProducerParameters,
    listener: ProducerListener,
    clock: Clock,
    onClosed: (producer: WeriftProducer) => void,
  ) {
    this.#clock = clock;
    this.#onClosed = onClosed;
    this.kind = parameters.kind;
    this.clockRateHz = parameters.clockRateHz;
    this.historyMs = parameters.historyMs ?? DEFAULT_HISTORY_MS;
    this.history = new RtpRetransmissionBuffer(this.historyMs);
    this.#keyframes = new KeyframeRequestPolicy(
      clock,
      parameters.keyframeIntervalMinMs ?? DEFAULT_KEYFRAME_INTERVAL_MIN_MS,
      () => {
        listener.onKeyframeWanted();
      },
    );
  }

  get consumerCount(): number {
    return this.#consumers.size;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  send(payloads: RtpPayloads): void {
    if (this.#closed || payloads.offsets.length < 2) {
      return;
    }
    if (payloads.keyframe) {
      this.#keyframes.keyframePassed();
      for (const arrival of this.#arrivals) {
        arrival.arrive();
      }
      this.#arrivals.clear();
    } else if (this.#arrivals.size > 0) {
      this.#keyframes.request();
    }
    const firstPacket = this.history.push(payloads, this.#clock.nowUs());
    for (const consumer of this.#consumers) {
      consumer.send(payloads, firstPacket);
    }
  }

  /** Nothing follows from it: packets go out as they come, at no pace, and nothing is replayed. */
  setTargetBitrate(): void {
    // See above.
  }

  requestKeyframe(): void {
    if (this.kind === 'video') {
      this.#keyframes.request();
    }
  }

  expect(arrival: ArrivingSink): void {
    this.#arrivals.add(arrival);
    this.requestKeyframe();
  }

  expectNoMore(arrival: ArrivingSink): void {
    this.#arrivals.delete(arrival);
  }

  add(consumer: PayloadSink): void {
    this.#consumers.add(consumer);
  }

  remove(consumer: PayloadSink): void {
    this.#consumers.delete(consumer);
  }

  close(): void {
    if (this.#closed) {
      return;
    }
    this.#closed = true;
    this.#keyframes.close();
    for (const consumer of [...this.#consumers]) {
      consumer.producerClosed();
    }
    this.#arrivals.clear();
    this.history.clear();
    this.#onClosed(this);
  }
}
