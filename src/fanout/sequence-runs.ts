import { addSequence, unwrapSequence } from './sequence-number.js';

interface Run {
  /** Full count of the viewer's packets at which the run begins. */
  readonly firstSent: number;
  readonly firstPacket: number;
}

/**
 * Maps one viewer's sequence numbers to the packets of the source. The viewer's numbers have no gap although it is
 * not sent every frame, so the mapping is a constant offset over runs of frames, and only the start of a run is
 * kept.
 */
export class SequenceRuns {
  #runs: Run[] = [];
  #sent: number;

  readonly #firstSequenceNumber: number;
  /** @param firstSequenceNumber - of the first packet that will be sent */
  constructor(firstSequenceNumber: number) {
    this.#firstSequenceNumber = firstSequenceNumber;
    this.#sent = firstSequenceNumber;
  }

  /** Sequence number of the next packet. */
  get next(): number {
    return addSequence(this.#sent, 0);
  }

  /**
   * Takes the next sequence number for `packet` of the source.
   *
   * @param oldestPacket - runs that end before it are forgotten
   */
  take(packet: number, oldestPacket: number): number {
    const last = this.#runs.at(-1);
    if (last === undefined || last.firstPacket - last.firstSent !== packet - this.#sent) {
      this.#runs.push({ firstSent: this.#sent, firstPacket: packet });
      this.#forget(oldestPacket);
    }
    const sequenceNumber = this.next;
    this.#sent += 1;
    return sequenceNumber;
  }

  /** The packet of the source that went out under `sequenceNumber`; undefined where none did, or too long ago. */
  packetOf(sequenceNumber: number): number | undefined {
    const sent = unwrapSequence(sequenceNumber, this.#sent);
    if (sent >= this.#sent || sent < this.#firstSequenceNumber) {
      return undefined;
    }
    for (let i = this.#runs.length - 1; i >= 0; i -= 1) {
      const run = this.#runs[i];
      if (run !== undefined && run.firstSent <= sent) {
        return run.firstPacket + sent - run.firstSent;
      }
    }
    return undefined;
  }

  #forget(oldestPacket: number): void {
    const firstLive = this.#runs.findIndex((_, i) => {
      const following = this.#runs[i + 1];
      return following === undefined || following.firstPacket > oldestPacket;
    });
    if (firstLive > 0) {
      this.#runs = this.#runs.slice(firstLive);
    }
  }
}
