/**
 * Which packets of Opus with DTX are sent (RFC 7587 section 3.1.3): of those that are a header alone, which libopus makes of
 * silence, only the first, by which a receiver learns of it.
 */
export class DtxGate {
  #silent = false;

  /** To be asked of each packet once, in order. */
  passes(packet: Uint8Array): boolean {
    const wasSilent = this.#silent;
    // RFC 6716 section 3.1.
    this.#silent = packet.length <= 2;
    return !this.#silent || !wasSilent;
  }
}
