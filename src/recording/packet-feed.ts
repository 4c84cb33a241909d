import type { Clock, Timer } from '../base/clock.js';
import type { EncodedAudio, EncodedFrame } from '../render/encode/encoded-frame.js';
import type { MuxPacket } from './mux-packet.js';
import type { OpenPacketSource, PacketSink, PacketSource } from './packet-source.js';

export interface PacketFeedParameters {
  readonly clock: Clock;
  /** How far keyframes may lie apart, ms. */
  readonly keyframeIntervalMs: number;
  /** Most bytes on their way to the thread; beyond it pictures and sound are dropped up to a keyframe. Default 32 MiB. */
  readonly maxBacklogBytes?: number;
}

export interface PacketFeedListener {
  /** The bytes of the packet are the listener's own. */
  onPacket(packet: MuxPacket): void;
  /** The session is over: as {@link PacketSink.onSourceEnded}. */
  onSourceEnded(): Promise<void>;
}

/**
 * What libopus delays the sound, µs: 312 samples of 48 kHz with `application=audio`. A packet's samples come out of a
 * decoder this much later than they went into the encoder (RFC 7845 section 4.2).
 */
const OPUS_DELAY_US = 6500;
const DEFAULT_BACKLOG_BYTES = 32 * 1024 * 1024;
const CHECK_INTERVAL_MS = 100;
/** A picture that stands still is taken again after this long: its length must be known before it can be written. */
const STILL_US = 250_000;
/** An encoder that did not answer is asked again after this long. */
const KEYFRAME_RETRY_US = 500_000;

/** Hands what a session encodes to a muxer, and sees to it that pictures and keyframes keep coming. */
export class PacketFeed implements PacketSink {
  readonly #parameters: PacketFeedParameters;
  readonly #listener: PacketFeedListener;
  readonly #source: PacketSource;
  readonly #timer: Timer;
  #frameAtUs: number;
  #keyframeAtUs: number;
  #askedAtUs: number;
  #waitsForKeyframe = true;
  #sentBytes = 0;
  #takenBytes = 0;
  #framesDropped = 0;
  #closed = false;

  /** @throws StreamKitError as `openSource` does. */
  constructor(parameters: PacketFeedParameters, openSource: OpenPacketSource, listener: PacketFeedListener) {
    this.#parameters = parameters;
    this.#listener = listener;
    const nowUs = parameters.clock.nowUs();
    this.#frameAtUs = this.#keyframeAtUs = this.#askedAtUs = nowUs;
    this.#source = openSource(this);
    this.#timer = parameters.clock.every(CHECK_INTERVAL_MS, () => this.#check());
  }

  get codec(): PacketSource['codec'] {
    return this.#source.codec;
  }

  get hasAudio(): boolean {
    return this.#source.hasAudio;
  }

  /** Pictures that the muxer was too slow for. */
  get framesDropped(): number {
    return this.#framesDropped;
  }

  /** Something waits for the muxer. */
  get isBehind(): boolean {
    return this.#sentBytes > this.#takenBytes;
  }

  /** The muxer has taken this many bytes since the start. */
  noteTaken(takenBytes: number): void {
    this.#takenBytes = takenBytes;
  }

  /** Takes no more, and lets the encoders rest. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#timer.cancel();
    this.#source.close();
  }

  onEncodedFrame(frame: EncodedFrame): void {
    if (this.#closed) return;
    const nowUs = this.#parameters.clock.nowUs();
    this.#frameAtUs = nowUs;
    if (frame.keyframe) this.#keyframeAtUs = nowUs;
    if (this.#isFull()) {
      this.#waitsForKeyframe = true;
      this.#framesDropped++;
      return;
    }
    if (this.#waitsForKeyframe && !frame.keyframe) return;
    this.#waitsForKeyframe = false;
    this.#send('video', frame.bytes, frame.keyframe, frame.captureTimeUs);
  }

  onEncodedAudio({ bytes, captureTimeUs }: EncodedAudio): void {
    if (!this.#closed && !this.#isFull()) this.#send('audio', bytes, true, captureTimeUs - OPUS_DELAY_US);
  }

  onSourceEnded(): Promise<void> {
    this.close();
    return this.#listener.onSourceEnded();
  }

  #isFull(): boolean {
    const { maxBacklogBytes = DEFAULT_BACKLOG_BYTES } = this.#parameters;
    return this.#sentBytes - this.#takenBytes > maxBacklogBytes;
  }

  /** A copy: viewers are sent the same bytes. */
  #send(kind: MuxPacket['kind'], bytes: Uint8Array, keyframe: boolean, timeUs: number): void {
    this.#sentBytes += bytes.byteLength;
    this.#listener.onPacket({ kind, bytes: new Uint8Array(bytes), keyframe, timeUs });
  }

  #check(): void {
    const nowUs = this.#parameters.clock.nowUs();
    if (this.#isFull()) return;
    const dueUs = this.#keyframeAtUs + this.#parameters.keyframeIntervalMs * 1000;
    if ((this.#waitsForKeyframe || nowUs >= dueUs) && nowUs - this.#askedAtUs >= KEYFRAME_RETRY_US) {
      this.#askedAtUs = nowUs;
      this.#source.requestKeyframe();
    } else if (nowUs - this.#frameAtUs >= STILL_US) {
      this.#frameAtUs = nowUs;
      this.#source.refresh();
    }
  }
}
