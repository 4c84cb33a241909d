import type { Clock, Timer } from '../../base/clock.js';
import type { CdpSession } from './cdp-connection.js';
import { isSoftwareRenderer } from './software-renderer.js';

/** What draws the pages of a browser. */
export interface BrowserRenderer {
  /** As WebGL calls it, at most 200 characters; empty: Chromium's own rasterizer. */
  readonly name: string;
  /** On the CPU. */
  readonly software: boolean;
}

/** A GPU process that crashed some times comes back in software: nothing else reports it. */
const LOOK_INTERVAL_MS = 30_000;
const MAX_NAME_LENGTH = 200;

/** Reports what draws the pages of a browser, and when that changes. Where it is software from the start, that stays. */
export class RendererWatch {
  readonly #browser: CdpSession;
  readonly #onRenderer: (renderer: BrowserRenderer) => void;
  readonly #timer: Timer;
  #last: string | undefined;
  #isAsking = false;
  #closed = false;

  /** Begins at once. */
  constructor(browser: CdpSession, clock: Clock, onRenderer: (renderer: BrowserRenderer) => void) {
    this.#browser = browser;
    this.#onRenderer = onRenderer;
    this.#timer = clock.every(LOOK_INTERVAL_MS, () => void this.#look());
    void this.#look();
  }

  /** Idempotent. */
  close(): void {
    this.#closed = true;
    this.#timer.cancel();
  }

  /** A method, since it changes while others wait. */
  #isClosed(): boolean {
    return this.#closed;
  }

  async #look(): Promise<void> {
    // A GPU process that hangs does not answer, which others notice.
    if (this.#isAsking || this.#closed) return;
    this.#isAsking = true;
    const name = await rendererName(this.#browser).catch(() => undefined);
    this.#isAsking = false;
    if (this.#isClosed() || name === undefined || name === this.#last) return;
    this.#last = name;
    const software = isSoftwareRenderer(name);
    if (software) this.#timer.cancel();
    this.#onRenderer({ name, software });
  }
}

async function rendererName(browser: CdpSession): Promise<string> {
  const { gpu } = await browser.send('SystemInfo.getInfo');
  const { glRenderer } = (gpu.auxAttributes ?? {}) as { readonly glRenderer?: unknown };
  return typeof glRenderer === 'string' ? glRenderer.slice(0, MAX_NAME_LENGTH) : '';
}
