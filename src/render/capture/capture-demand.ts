import { SerialQueue } from '../../base/serial-queue.js';

/** After a guest has asked for a picture the page is captured for so long, ms. */
const GUEST_LOOK_MS = 10_000;

/**
 * Whether a page is to be captured: for those who take its pictures, and while somebody waits for one picture of it. Chromium draws
 * nothing of a page that changes while nobody captures it, so that its picture would not come.
 */
export class CaptureDemand {
  /** Whatever changes the capture, one after the other. */
  readonly turns = new SerialQueue();
  readonly #follow: (isWanted: boolean) => Promise<void>;
  #isTaken = false;
  #lookers = 0;
  #guestTimer: NodeJS.Timeout | undefined;

  /** @param follow - captures the page, or captures it no more. Idempotent. */
  constructor(follow: (isWanted: boolean) => Promise<void>) {
    this.#follow = follow;
  }

  /** Whether its pictures are taken from now on. */
  take(isTaken: boolean): Promise<void> {
    this.#isTaken = isTaken;
    return this.#update();
  }

  /** Captures while `look` takes. */
  async during<T>(look: () => Promise<T>): Promise<T> {
    this.#lookers += 1;
    try {
      await this.#update();
      return await look();
    } finally {
      this.#leave();
    }
  }

  /** Captures for some seconds from now on. Never rejects. */
  async forGuest(): Promise<void> {
    if (this.#guestTimer === undefined) this.#lookers += 1;
    clearTimeout(this.#guestTimer);
    this.#guestTimer = setTimeout(() => {
      this.#guestTimer = undefined;
      this.#leave();
    }, GUEST_LOOK_MS);
    await this.#update().catch(() => undefined);
  }

  close(): void {
    clearTimeout(this.#guestTimer);
  }

  #leave(): void {
    this.#lookers -= 1;
    this.#update().catch(() => undefined);
  }

  #update(): Promise<void> {
    return this.turns.run(() => this.#follow(this.#isTaken || this.#lookers > 0));
  }
}
