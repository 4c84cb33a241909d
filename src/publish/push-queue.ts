import type { MuxPacket, PlacedPacket } from '../recording/mux-packet.js';
import { PacketInterleaver } from '../recording/packet-interleaver.js';

/** Packets on their way to one server, and how much of them no longer waits for it. */
export class PushQueue {
  readonly #interleaver: PacketInterleaver;
  #pushedBytes = 0;

  constructor(hasAudio: boolean) {
    this.#interleaver = new PacketInterleaver(hasAudio);
  }

  push(packet: MuxPacket): void {
    this.#pushedBytes += packet.bytes.byteLength;
    this.#interleaver.push(packet);
  }

  /**
   * Writes what is complete, oldest first. A write may block for long, so progress is reported after each of them.
   *
   * @param nowUs - monotonic.
   * @param onTaken - bytes since the start that do not wait for the server. Packets that wait for those of the other track, and those
   * that came too late, do not; called at least once.
   * @throws what `write` throws.
   */
  drain(nowUs: number, write: (packet: PlacedPacket) => void, onTaken: (takenBytes: number) => void): void {
    const packets = this.#interleaver.take(nowUs);
    let waitingBytes = packets.reduce((sum, { bytes }) => sum + bytes.byteLength, 0);
    if (packets.length === 0) onTaken(this.#pushedBytes);
    for (const packet of packets) {
      write(packet);
      waitingBytes -= packet.bytes.byteLength;
      onTaken(this.#pushedBytes - waitingBytes);
    }
  }
}
