import type { RtpPayloads } from '../render/packetize/rtp-payloads.js';

/** One packet of the history. */
export interface StoredPacket {
  readonly payloads: RtpPayloads;
  /** Which payload of the frame. */
  readonly index: number;
}

interface StoredFrame {
  readonly payloads: RtpPayloads;
  readonly firstPacket: number;
  readonly sentAtUs: number;
}

/** Default bound of one source's history, bytes of payload. */
export const DEFAULT_HISTORY_BYTES = 8 * 1024 * 1024;

/**
 * The frames that one source has sent lately, kept once for all viewers. Packets are counted from 0 over the life
 * of the source; a viewer's own sequence numbers are mapped to that count by its consumer. Bounded in time and in
 * bytes; the oldest frames go first.
 */
export class RtpRetransmissionBuffer {
  #frames: (StoredFrame | undefined)[] = [];
  /** Frames before this index are gone; the array is compacted now and then, not on every frame. */
  #head = 0;
  #bytes = 0;
  #nextPacket = 0;
  #keyframePacket = 0;

  readonly #historyMs: number;
  readonly #maxBytes: number;
  /**
   * @param historyMs - how long a frame is kept, ms
   * @param maxBytes - bytes of payload
   */
  constructor(historyMs: number, maxBytes: number = DEFAULT_HISTORY_BYTES) {
    this.#historyMs = historyMs;
    this.#maxBytes = maxBytes;
  }

  /** Bytes of payload held. */
  get storedBytes(): number {
    return this.#bytes;
  }

  /** Count of the oldest packet that may still be held. */
  get oldestPacket(): number {
    return this.#frames[this.#head]?.firstPacket ?? this.#nextPacket;
  }

  /** Count of the last keyframe's first packet, 0 before the first one. */
  get lastKeyframePacket(): number {
    return this.#keyframePacket;
  }

  /** @returns the count of the frame's first packet. */
  push(payloads: RtpPayloads, nowUs: number): number {
    const firstPacket = this.#nextPacket;
    if (payloads.keyframe) this.#keyframePacket = firstPacket;
    this.#nextPacket += payloads.offsets.length - 1;
    this.#frames.push({ payloads, firstPacket, sentAtUs: nowUs });
    this.#bytes += payloads.bytes.length;
    this.#evict(nowUs);
    return firstPacket;
  }

  get(packet: number, nowUs: number): StoredPacket | undefined {
    this.#evict(nowUs);
    let low = this.#head;
    let high = this.#frames.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const frame = this.#frames[middle];
      if (frame === undefined) {
        return undefined;
      }
      if (packet < frame.firstPacket) {
        high = middle - 1;
      } else if (packet >= frame.firstPacket + frame.payloads.offsets.length - 1) {
        low = middle + 1;
      } else {
        return { payloads: frame.payloads, index: packet - frame.firstPacket };
      }
    }
    return undefined;
  }

  clear(): void {
    this.#frames = [];
    this.#head = 0;
    this.#bytes = 0;
  }

  #evict(nowUs: number): void {
    const keepAfterUs = nowUs - this.#historyMs * 1000;
    let oldest = this.#frames[this.#head];
    while (oldest !== undefined && (oldest.sentAtUs < keepAfterUs || this.#bytes > this.#maxBytes)) {
      this.#bytes -= oldest.payloads.bytes.length;
      this.#frames[this.#head] = undefined;
      this.#head += 1;
      oldest = this.#frames[this.#head];
    }
    if (this.#head > 0 && this.#head * 2 >= this.#frames.length) {
      this.#frames = this.#frames.slice(this.#head);
      this.#head = 0;
    }
  }
}
