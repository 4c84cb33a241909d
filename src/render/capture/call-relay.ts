import type { ScriptNames } from './page-scripts.js';

/**
 * Runs in every frame beside the page, before the other scripts there; serialized, so it uses nothing from outside. All
 * calls to us leave through it, so that a page decides neither how long they are nor how many come, and whatever it does
 * to functions of its own world reaches none of this. Until we have connected, calls wait.
 */
export function relayCalls(names: ScriptNames): void {
  type Call = (text: string) => void;
  const scope = globalThis as unknown as Record<string, Call | undefined>;
  // The document loses all listeners of itself and of its window when it is written anew; not those of this.
  const shared = performance as unknown as {
    addEventListener(type: string, listener: (event: Event) => void): void;
    dispatchEvent(event: Event): void;
    now(): number;
  };
  /** 64 KiB of text, each byte as up to six in JSON. */
  const MAX_CALL_LENGTH = 400 * 1024;
  const MAX_CALLS_PER_SECOND = 250;
  /** Of all calls that wait together. */
  const MAX_WAITING_LENGTH = 1024 * 1024;

  const waiting: string[] = [];
  let waitingLength = 0;
  let windowStartMs = -Infinity;
  let windowCalls = 0;
  const call = (text: string): void => {
    if (text.length > MAX_CALL_LENGTH) return;
    const nowMs = shared.now();
    if (nowMs - windowStartMs >= 1000) {
      windowStartMs = nowMs;
      windowCalls = 0;
    }
    windowCalls += 1;
    if (windowCalls > MAX_CALLS_PER_SECOND) return;
    const send = scope[names.binding];
    if (send) {
      send(text);
    } else if (waitingLength + text.length <= MAX_WAITING_LENGTH) {
      waitingLength += text.length;
      waiting.push(text);
    }
  };
  Object.defineProperty(globalThis, names.call, { value: call });
  shared.addEventListener(names.said, (event) => {
    const { detail } = event as unknown as { detail: unknown };
    if (typeof detail !== 'string' || detail.length > MAX_CALL_LENGTH) return;
    // The page cannot forge the time: the event is dispatched while its task runs.
    call(JSON.stringify({ type: 'bridge', value: detail, atMs: Date.now() }));
  });
  const handlers = globalThis as unknown as Record<symbol, object | undefined>;
  const forget = (): void => {
    waiting.length = 0;
    waitingLength = 0;
  };
  Object.assign((handlers[Symbol.for(names.receiver)] ??= {}), {
    forget,
    connect: () => {
      for (const text of waiting) scope[names.binding]?.(text);
      forget();
    },
    tellPage: (told: unknown) =>
      shared.dispatchEvent(new CustomEvent(names.told, { detail: JSON.stringify(told) })),
  });
}
