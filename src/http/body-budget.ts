import { StreamKitError } from '../base/errors.js';

/** One body that is being read. */
export interface BodyReservation {
  /** Counts bytes that have arrived. The reservation may be given up within this call. */
  add(bytes: number): void;
  /** The body is read, or of no more interest. Idempotent. */
  release(): void;
}

/** Most bytes of request bodies in memory that are still being read, of all routers of this process. */
export const MAX_BODY_BYTES_IN_FLIGHT = 32 * 1024 * 1024;

/**
 * Bounds the bytes of bodies in flight. When there are too many, the body that began first is given up: whoever sends at a
 * usual pace is done long before, and half-sent bodies that were meant to fill memory are the oldest.
 */
export class BodyBudget {
  readonly #maxBytes: number;
  /** Oldest first. */
  readonly #open = new Map<object, { bytes: number; readonly onGivenUp: (error: StreamKitError) => void }>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** What is counted now. */
  get bytes(): number {
    return this.#bytes;
  }

  /** @param onGivenUp - others need the room; called at most once, with `at_capacity` (503). */
  open(onGivenUp: (error: StreamKitError) => void): BodyReservation {
    const key = {};
    this.#open.set(key, { bytes: 0, onGivenUp });
    return {
      add: (bytes) => {
        const entry = this.#open.get(key);
        if (entry === undefined) return;
        entry.bytes += bytes;
        this.#bytes += bytes;
        while (this.#bytes > this.#maxBytes) this.#giveUpOldest();
      },
      release: () => this.#release(key),
    };
  }

  #giveUpOldest(): void {
    for (const [key, { onGivenUp }] of this.#open) {
      this.#release(key);
      const headers = { 'Retry-After': '1', Connection: 'close' };
      onGivenUp(
        new StreamKitError('at_capacity', 'The server is reading too many bodies', { status: 503, headers }),
      );
      return;
    }
  }

  #release(key: object): void {
    this.#bytes -= this.#open.get(key)?.bytes ?? 0;
    this.#open.delete(key);
  }
}

/** Of this process. */
export const bodyBudget = new BodyBudget(MAX_BODY_BYTES_IN_FLIGHT);
