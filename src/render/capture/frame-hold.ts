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
  readonly setTimeout: (callback: () => void, ms: number) => unknown;
  /** Of zone.js, in pages made with Angular. */
  readonly Zone?: { readonly current?: { wrap?(callback: FrameCallback, source: string): FrameCallback } };
}

/** Three refreshes of 60 Hz, two of which may be under way, after the last frame that the page had asked for before. */
const HOLD_MS = 60;
/** Then the page goes on by itself. */
const LONGEST_HOLD_MS = 240;
/** A page that is not painted any more would never go on. */
const RESUME_TIMEOUT_MS = 1_000;
/** Far from the handles of a browser, which count from one; and no handle comes twice, as with those. */
const FIRST_HANDLE = 0x40_00_00_00;
const HANDLES_PER_HOLD = 0x1_00_00;
const HOLDS = 0x3f_ff;

let holds = 0;

/**
 * Runs in a page; serialized, so it uses nothing from outside. From now on the page gets none of the animation frames that it
 * asks for, until the returned function is called. That gives it all of them, and resolves when it had them. The page
 * calls it by itself if nobody else does: it may be put aside and come back.
 */
function holdAnimationFrames(firstHandle: number, longestMs: number): () => Promise<FrameHold | null> {
  const page = globalThis as unknown as PageWindow;
  const { requestAnimationFrame: request, cancelAnimationFrame: cancel, setTimeout: later } = page;
  const nowMs = (): number => performance.timeOrigin + performance.now();
  const held = new Map<number, FrameCallback>();
  /** Of those that are asked for again the browser's handles, by ours. */
  const handles = new Map<number, number>();
  let heldAtMs = 0;
  let handle = firstHandle;
  let released: Promise<FrameHold | null> | undefined;
  // The page may keep this function: once released, it is the browser's.
  const hold = (callback: FrameCallback): number => {
    // What is no function is the browser's to refuse.
    if (released !== undefined || typeof callback !== 'function') return request.call(page, callback);
    heldAtMs = nowMs();
    // As zone.js would wrap it: it is asked for again outside of its zone.
    held.set(++handle, page.Zone?.current?.wrap?.(callback, 'requestAnimationFrame') ?? callback);
    return handle;
  };
  const cancelHeld = (one: number): void => {
    if (!held.delete(one)) cancel.call(page, handles.get(one) ?? one);
  };
  const giveBack = (resolve: (hold: FrameHold | null) => void): void => {
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
  };
  const release = (): Promise<FrameHold | null> => {
    // Before anything is asked for again: a page may have wrapped what it found.
    let begin: (() => void) | undefined;
    released ??= new Promise((resolve) => {
      begin = () => giveBack(resolve);
    });
    begin?.();
    return released;
  };
  // Whatever of these fails, the page has its frames.
  later.call(page, release, longestMs);
  page.cancelAnimationFrame = cancelHeld;
  page.requestAnimationFrame = hold;
  return release;
}

/**
 * Has a page go without animation frames for a moment, so that what it has painted before goes its whole way. Only those that
 * the main frame asks for by scripts.
 *
 * @param options.holdMs - for how long; default 60. @param options.longestMs - when the page takes them back by itself; default 240.
 * @param options.timeoutMs - until it has them again; default 1000.
 * @returns undefined if the page asked for none.
 */
export async function holdFrames(
  cdp: Pick<CdpSession, 'send'>,
  { holdMs = HOLD_MS, longestMs = LONGEST_HOLD_MS, timeoutMs = RESUME_TIMEOUT_MS } = {},
): Promise<FrameHold | undefined> {
  const firstHandle = FIRST_HANDLE + (holds++ % HOLDS) * HANDLES_PER_HOLD;
  const { result, exceptionDetails } = await cdp.send('Runtime.evaluate', {
    expression: `(${holdAnimationFrames.toString()})(${firstHandle}, ${longestMs})`,
  });
  const { objectId } = result;
  if (objectId === undefined || exceptionDetails !== undefined) return undefined;
  await sleep(holdMs);
  const resumed = cdp.send('Runtime.callFunctionOn', {
    functionDeclaration: 'function () { return this(); }',
    objectId,
    awaitPromise: true,
    returnByValue: true,
  });
  try {
    const { result: hold } = await withTimeout(resumed, timeoutMs);
    return isFrameHold(hold.value) ? hold.value : undefined;
  } finally {
    cdp.send('Runtime.releaseObject', { objectId }).catch(() => undefined);
  }
}

/** A page may have replaced whatever the script in it uses. */
function isFrameHold(value: unknown): value is FrameHold {
  const { heldAtMs, resumedAtMs } = (value ?? {}) as Partial<Record<keyof FrameHold, unknown>>;
  return typeof heldAtMs === 'number' && typeof resumedAtMs === 'number' && heldAtMs <= resumedAtMs;
}
