/** What may wait at the entrance of a slow link, ms; beyond it datagrams are dropped. */
const MAX_QUEUE_MS = 200;

/** A link of a bit rate with a queue before it: each datagram goes on once those before it have passed. */
export class LinkShaper {
  /** Bits/s; Infinity: nothing waits. */
  bitrateBps = Infinity;
  /** By how much the delay swings, ms; datagrams stay in their order. */
  jitterMs = 0;
  #freeAtMs = 0;
  /** When the last is sent on. */
  #lastMs = 0;

  /** @param send - carries one datagram on. */
  pass(bytes: number, send: () => void): void {
    const nowMs = performance.now();
    const startMs = Math.max(nowMs, this.#freeAtMs);
    if (startMs - nowMs > MAX_QUEUE_MS) return;
    this.#freeAtMs = startMs + (bytes * 8000) / this.bitrateBps;
    const swingMs = (this.jitterMs / 2) * (1 + Math.sin(nowMs / 5));
    this.#lastMs = Math.max(this.#lastMs, this.#freeAtMs + swingMs);
    const delayMs = this.#lastMs - nowMs;
    if (delayMs < 1) send();
    else setTimeout(send, delayMs);
  }
}
