import type { CdpSession } from './cdp-connection.js';

/** Most that are remembered; beyond it the oldest is forgotten. */
const MAX_ORIGINS = 100;

/** The origins of the pages that tabs have shown. Not of frames: what is stored there is that of a third party. */
export class VisitedOrigins {
  /** The latest last. */
  readonly #origins = new Set<string>();

  /** The latest first. */
  get origins(): readonly string[] {
    return [...this.#origins].reverse();
  }

  add(...origins: readonly string[]): void {
    for (const origin of origins) {
      this.#origins.delete(origin);
      this.#origins.add(origin);
      const [oldest] = this.#origins;
      if (this.#origins.size > MAX_ORIGINS && oldest !== undefined) this.#origins.delete(oldest);
    }
  }

  /** Notes what a tab shows from now on. */
  watch(cdp: CdpSession): void {
    cdp.on('Page.frameNavigated', ({ frame }) => {
      if (frame.parentId === undefined && /^https?:/.test(frame.url)) this.add(new URL(frame.url).origin);
    });
  }
}
