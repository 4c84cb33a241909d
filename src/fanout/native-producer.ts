import type { Clock } from '../base/clock.js';
import type { RtpPayloads } from '../render/packetize/rtp-payloads.js';
import { KeyframeRequestPolicy } from './keyframe-request-policy.js';
import type { MediaPlane, Producer, ProducerListener, ProducerParameters } from './media-plane.js';
import { DEFAULT_HISTORY_MS, DEFAULT_KEYFRAME_INTERVAL_MIN_MS } from './media-plane.js';
import type { NativePlaneHost } from './native-plane-host.js';

/** What the plane knows of a producer's consumers. */
export interface PacedConsumer {
  setTargetBitrate(bitrateBps: number): void;
  /** Ends with the producer, unless it goes over to another one. */
  producerClosed(): void;
}

/** Rates for pacing where nothing is known of the encoder's, bits/s. */
const DEFAULT_TARGET_BITRATE_BPS = { video: 8_000_000, audio: 128_000 } as const;

/** One encoded source on the native plane: one call a frame, however many viewers there are. */
export class NativeProducer implements Producer {
  readonly kind: 'video' | 'audio';
  readonly id: number;
  readonly consumers = new Set<PacedConsumer>();
  readonly #keyframes: KeyframeRequestPolicy;
  /** For viewers that only ICE reaches, through a relay. */
  #relayed: Producer | undefined;
  #pacedAtBps: number;
  #closed = false;
  /** Its frames come by a media socket: those given to {@link send} are for viewers behind a relay. */
  #isFed = false;

  readonly #host: NativePlaneHost;
  readonly #parameters: ProducerParameters;
  readonly #listener: ProducerListener;
  readonly #relayPlane: () => MediaPlane;
  readonly #onClosed: (producer: NativeProducer) => void;
  constructor(
    host: NativePlaneHost,
    parameters: ProducerParameters,
    listener: ProducerListener,
    clock: Clock,
    relayPlane: () => MediaPlane,
    onClosed: (producer: NativeProducer) => void,
  ) {
    this.#host = host;
    this.#parameters = parameters;
    this.#listener = listener;
    this.#relayPlane = relayPlane;
    this.#onClosed = onClosed;
    const keyframeIntervalMinMs = parameters.keyframeIntervalMinMs ?? DEFAULT_KEYFRAME_INTERVAL_MIN_MS;
    this.kind = parameters.kind;
    this.#pacedAtBps = parameters.targetBitrateBps ?? DEFAULT_TARGET_BITRATE_BPS[parameters.kind];
    this.id = host.plane.createProducer({
      kind: parameters.kind,
      clockRateHz: parameters.clockRateHz,
      keyframeIntervalMinMs,
      historyMs: parameters.historyMs ?? DEFAULT_HISTORY_MS,
      gopReplay: parameters.gopReplay ?? false,
      targetBitrateBps: this.#pacedAtBps,
    });
    // The plane coalesces what its own consumers want, but knows nothing of those behind a relay.
    this.#keyframes = new KeyframeRequestPolicy(clock, keyframeIntervalMinMs, () => {
      listener.onKeyframeWanted();
    });
    host.keyframeListeners.set(this.id, () => {
      if (this.#relayed === undefined) {
        listener.onKeyframeWanted();
      } else {
        this.#keyframes.request();
      }
    });
  }

  get consumerCount(): number {
    return this.consumers.size + (this.#relayed?.consumerCount ?? 0);
  }

  /** What its consumers are paced by, bits/s. */
  get targetBitrateBps(): number {
    return this.#pacedAtBps;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  get needsFrames(): boolean {
    return !this.#isFed || this.#relayed !== undefined;
  }

  /** Its frames come by a media socket from now on. */
  feedBySocket(): void {
    this.#isFed = true;
  }

  send(payloads: RtpPayloads): void {
    if (this.#closed || payloads.offsets.length < 2) {
      return;
    }
    const { bytes, offsets, rtpTimestamp, captureTimeUs, keyframe } = payloads;
    if (keyframe) {
      this.#keyframes.keyframePassed();
    }
    if (!this.#isFed) {
      this.#host.plane.sendFrame(this.id, bytes, offsets, rtpTimestamp, captureTimeUs, keyframe);
    }
    this.#relayed?.send(payloads);
  }

  setTargetBitrate(bitrateBps: number): void {
    if (this.#closed || bitrateBps === this.#pacedAtBps) {
      return;
    }
    this.#pacedAtBps = bitrateBps;
    this.#host.plane.setProducerBitrate(this.id, bitrateBps);
    for (const consumer of this.consumers) {
      consumer.setTargetBitrate(bitrateBps);
    }
  }

  /** The same source for viewers behind a relay; made when there is the first. */
  relay(): Producer {
    if (this.#relayed === undefined) {
      this.#relayed = this.#relayPlane().createProducer(this.#parameters, {
        onKeyframeWanted: () => {
          this.#keyframes.request();
        },
      });
      this.#listener.onFramesWanted?.();
    }
    return this.#relayed;
  }

  close(): void {
    if (this.#closed) {
      return;
    }
    this.#closed = true;
    this.#keyframes.close();
    for (const consumer of [...this.consumers]) {
      consumer.producerClosed();
    }
    this.#relayed?.close();
    this.#host.keyframeListeners.delete(this.id);
    this.#host.plane.closeProducer(this.id);
    this.#onClosed(this);
  }
}
