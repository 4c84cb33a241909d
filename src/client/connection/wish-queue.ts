import type { ViewerBounds, ViewerBoundsChange } from '../../protocol/viewer-bounds.js';

/** Nothing of it is undefined. */
type Wishes = Partial<ViewerBounds>;

/** Sends changes of what a viewer gets one after the other. Those that wait for one under way are sent as one. */
export class WishQueue {
  readonly #send: (wishes: Wishes) => Promise<void>;
  /** Settles after the newest. */
  #settled: Promise<unknown> = Promise.resolve();
  #waiting: { readonly wishes: Wishes; readonly sent: Promise<void> } | undefined;

  constructor(send: (wishes: Wishes) => Promise<void>) {
    this.#send = send;
  }

  /** @returns what became of it, and of those that were sent with it. */
  add(change: ViewerBoundsChange): Promise<void> {
    const { wishes, sent } = (this.#waiting ??= this.#next());
    const given = Object.entries(change).filter(([, value]) => value !== undefined);
    Object.assign(wishes, Object.fromEntries(given));
    return sent;
  }

  #next(): { readonly wishes: Wishes; readonly sent: Promise<void> } {
    const wishes = {};
    const sent = this.#settled.then(() => {
      this.#waiting = undefined;
      return this.#send(wishes);
    });
    this.#settled = sent.catch(() => undefined);
    return { wishes, sent };
  }
}
