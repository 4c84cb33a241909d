import { setTimeout as sleep } from 'node:timers/promises';

import { withTimeout } from '../../base/with-timeout.js';
import type { CdpSession } from './cdp-connection.js';

/** When a page asked for the last of the animation frames that were held back, and when it got it: wall-clock ms. */
export interface FrameHold {
  readonly heldAtMs: number;
  readonly resumedAtMs: number;
}

type FrameCallback = (timestampMs: number) => void;

/** What of DOM is used here; the server is compiled without it. */
interface PageWindow {
  requestAnimationFrame: (callback: FrameCallback) => number;
  cancelAnimationFrame: (handle: number) => void;
}

/** Three refreshes of 60 Hz, two of which may be under way, after the last frame that the page had asked for before. */
const HOLD_MS = 60;
/** A page that is not painted any more would never go on. */
const RESUME_TIMEOUT_MS = 1_000;

/**
 * Runs in a page; serialized, so it uses nothing from outside. From now on the page gets none of the animation frames that it
 * asks for, until the function is called that comes out. That gives it all of them, and resolves when it had them.
 */
function holdAnimationFrames(): () => Promise<FrameHold | null> {
  const page = globalThis as unknown as PageWindow;
  const { requestAnimationFrame: request, cancelAnimationFrame: cancel } = page;
  const nowMs = (): number => performance.timeOrigin + performance.now();
  const held = new Map<number, FrameCallback>();
  /** Of those that are asked for again the browser's handles, by ours. */
  const handles = new Map<number, number>();
  let heldAtMs = 0;
  // Far from those of the browser, which counts from one.
  let handle = 0x40_00_00_00;
  const hold = (callback: FrameCallback): number => {
    // What is no function is the browser's to refuse.
    if (typeof callback !== 'function') return request.call(page, callback);
    heldAtMs = nowMs();
    held.set(++handle, callback);
    return handle;
  };
  const cancelHeld = (one: number): void => {
    if (!held.delete(one)) cancel.call(page, handles.get(one) ?? one);
  };
  page.requestAnimationFrame = hold;
  page.cancelAnimationFrame = cancelHeld;
  return () =>
    new Promise((resolve) => {
      // The page may have put one of its own in its place.
      if (page.requestAnimationFrame === hold) page.requestAnimationFrame = request;
      const isAnimated = held.size > 0;
      let resumedAtMs: number | undefined;
      for (const [one, callback] of held) {
        const again = request.call(page, (timestampMs) => {
          resumedAtMs ??= nowMs();
          handles.delete(one);
          callback(timestampMs);
        });
        handles.set(one, again);
      }
      held.clear();
      const end = (): void => {
        if (page.cancelAnimationFrame === cancelHeld) page.cancelAnimationFrame = cancel;
        resolve(resumedAtMs === undefined ? null : { heldAtMs, resumedAtMs });
      };
      // In the same frame, after all others.
      if (isAnimated) request.call(page, end);
      else end();
    });
}

/**
 * Has a page go without animation frames for some 60 ms, so that what it has painted before goes its whole way. Only those that
 * the main frame asks for by scripts.
 *
 * @returns undefined if the page asked for none.
 */
export async function holdFrames(cdp: Pick<CdpSession, 'send'>): Promise<FrameHold | undefined> {
  const { result: release } = await cdp.send('Runtime.evaluate', {
    expression: `(${holdAnimationFrames.toString()})()`,
  });
  const { objectId } = release;
  if (objectId === undefined) return undefined;
  await sleep(HOLD_MS);
  const resumed = cdp.send('Runtime.callFunctionOn', {
    functionDeclaration: 'function () { return this(); }',
    objectId,
    awaitPromise: true,
    returnByValue: true,
  });
  try {
    const { result } = await withTimeout(resumed, RESUME_TIMEOUT_MS);
    return isFrameHold(result.value) ? result.value : undefined;
  } finally {
    cdp.send('Runtime.releaseObject', { objectId }).catch(() => undefined);
  }
}

/** A page may have replaced whatever the script in it uses. */
function isFrameHold(value: unknown): value is FrameHold {
  const { heldAtMs, resumedAtMs } = (value ?? {}) as Partial<Record<keyof FrameHold, unknown>>;
  return typeof heldAtMs === 'number' && typeof resumedAtMs === 'number' && heldAtMs <= resumedAtMs;
}
