import type { RtpRetransmissionBuffer, StoredPacket } from './rtp-retransmission-buffer.js';
import { SequenceRuns } from './sequence-runs.js';

/** The history of a producer, and how long it is kept, ms. */
export interface PacketHistory {
  readonly history: RtpRetransmissionBuffer;
  readonly historyMs: number;
}

/** What was sent of one producer. */
interface Share {
  readonly producer: PacketHistory;
  readonly sequence: SequenceRuns;
  /** Is added to the producer's RTP times, so that they go on from those of the former one; undefined: not known yet. */
  timestampOffset: number | undefined;
}

/** A packet that was sent under a sequence number. */
export interface SentPacket {
  /** Undefined: the history no longer has it. */
  readonly stored: StoredPacket | undefined;
  /** A keyframe of the present producer has come since, or comes next. */
  readonly beforeKeyframe: boolean;
  readonly timestampOffset: number;
}

/** The numbers and times under which one viewer is sent packets, of one producer and later of another. */
export class SentPackets {
  #share: Share;
  #former: (Share & { readonly untilUs: number }) | undefined;
  /** As it was sent; undefined: nothing was. */
  #lastTimestamp: number | undefined;

  constructor(producer: PacketHistory, firstSequenceNumber: number) {
    this.#share = { producer, sequence: new SequenceRuns(firstSequenceNumber), timestampOffset: 0 };
  }

  /** Nothing was sent. */
  get isFresh(): boolean {
    return this.#lastTimestamp === undefined;
  }

  /**
   * The RTP time of a frame that is about to be sent, modulo 2³². Two producers may encode the same picture, or the new one
   * an older one: a receiver takes packets of one time for one picture, so the new one's times are shifted by the little
   * that is needed.
   */
  nextTimestamp(rtpTimestamp: number): number {
    const aheadBy = this.#lastTimestamp === undefined ? 1 : (rtpTimestamp - this.#lastTimestamp) | 0;
    const offset = (this.#share.timestampOffset ??= aheadBy > 0 ? 0 : 1 - aheadBy);
    this.#lastTimestamp = (rtpTimestamp + offset) >>> 0;
    return this.#lastTimestamp;
  }

  /** Takes the next sequence number for a packet of the present producer. */
  take(packet: number): number {
    const { sequence, producer } = this.#share;
    return sequence.take(packet, producer.history.oldestPacket);
  }

  /** What comes next is of another producer. */
  moveTo(producer: PacketHistory, nowUs: number): void {
    const left = this.#share;
    if (!this.isFresh) this.#former = { ...left, untilUs: nowUs + left.producer.historyMs * 1000 };
    this.#share = { producer, sequence: new SequenceRuns(left.sequence.next), timestampOffset: undefined };
  }

  /** @returns undefined if nothing was sent under the number, or too long ago. */
  find(sequenceNumber: number, nowUs: number): SentPacket | undefined {
    if (this.#former !== undefined && nowUs >= this.#former.untilUs) this.#former = undefined;
    for (const share of [this.#share, this.#former]) {
      const packet = share?.sequence.packetOf(sequenceNumber);
      if (share === undefined || packet === undefined) continue;
      const { history } = share.producer;
      return {
        stored: history.get(packet, nowUs),
        beforeKeyframe: share !== this.#share || packet < history.lastKeyframePacket,
        timestampOffset: share.timestampOffset ?? 0,
      };
    }
    return undefined;
  }
}
