import { randomBytes } from 'node:crypto';

import { systemClock } from '../../base/clock.js';
import type { Logger } from '../../base/logger.js';
import type { CdpSession } from './cdp-connection.js';

/** Bytes of JSON in one message or in the merged metadata of a page. */
const MESSAGE_BYTES_MAX = 64 * 1024;
const DEPTH_MAX = 32;
/** A page that sends more is not listened to until the next second. */
const MESSAGES_PER_SECOND_MAX = 200;
/** What a page says may be on its way so long; of more, the clock has been set. */
const LATENESS_MAX_MS = 1000;
/**
 * A picture of the tab bears the time at which it was due on the page's screen of 60 Hz, a refresh after it was painted. Half of
 * that is between what a script painted in its own frame and what was painted before.
 */
const HALF_REFRESH_US = 8000;

export interface PageBridgeListener {
  /** @param changedAtUs - when the page did, monotonic µs. */
  onPageMetadata(metadata: Readonly<Record<string, unknown>>, changedAtUs: number): void;
  onPageMessage(message: unknown): void;
}

/**
 * Runs in the page before any script of its own; serialized, so it uses nothing from outside. What it closes over
 * is all that the page can reach: it can set metadata, send a message and listen, nothing more. What it calls it takes
 * beforehand: a page may replace functions of its world, by mistake or not.
 */
function installStreamKit(
  saidEvent: string,
  receiverName: string,
  initialDataJson: string,
  bytesMax: number,
  depthMax: number,
  origins: readonly string[],
): void {
  const scope = globalThis as unknown as Record<string, unknown> & {
    top: unknown;
    self: unknown;
    location: { origin: string };
  };
  if (scope.top !== scope.self || !origins.includes(scope.location.origin)) return;
  const { parse, stringify } = JSON;
  const { values } = Object;
  const { CustomEvent } = globalThis;
  const encoder = new TextEncoder();
  const utf8 = encoder.encode.bind(encoder);
  // Also the world beside the page has it: the script there passes on what it hears.
  const shared = performance as unknown as { dispatchEvent(event: Event): void };
  const dispatch = shared.dispatchEvent.bind(shared);
  const send = (message: string): void => dispatch(new CustomEvent(saidEvent, { detail: message }));

  // Without recursion: what a client sends may be nested deeper than the stack of a page reaches.
  const freeze = (value: unknown): unknown => {
    const waiting = [value];
    while (waiting.length > 0) {
      const next = waiting.pop();
      if (typeof next !== 'object' || next === null) continue;
      for (const member of values(next)) waiting.push(member);
      Object.freeze(next);
    }
    return value;
  };
  const depthOf = (value: unknown, depth = 0): number => {
    if (typeof value !== 'object' || value === null || depth > depthMax) return depth;
    return Math.max(depth, ...values(value).map((member) => depthOf(member, depth + 1)));
  };
  const encode = (type: string, value: unknown): string => {
    const json = stringify(value) as string | undefined;
    if (json === undefined) throw new TypeError('Expected a value that JSON can express');
    if (json.length > bytesMax || utf8(json).length > bytesMax)
      throw new RangeError(`Expected at most ${bytesMax} bytes of JSON`);
    if (depthOf(parse(json)) > depthMax) throw new RangeError(`Expected at most ${depthMax} levels`);
    return `{"type":${stringify(type)},"value":${json}}`;
  };

  type Listener = (value: unknown) => void;
  const listeners: Record<string, Set<Listener>> = {
    viewers: new Set(),
    message: new Set(),
    state: new Set(),
  };
  const last: Record<string, unknown> = {};
  const merged: Record<string, unknown> = {};
  const streamKit = {
    initialData: freeze(parse(initialDataJson)),
    setMetadata(metadata: unknown): void {
      if (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata)) {
        throw new TypeError('Expected an object as metadata');
      }
      const next = { ...merged, ...metadata };
      encode('metadata', next);
      send(encode('metadata', metadata));
      Object.assign(merged, metadata);
    },
    on(event: string, listener: Listener): () => void {
      const set = Object.hasOwn(listeners, event) ? listeners[event] : undefined;
      if (!set)
        throw new TypeError(`Expected "viewers", "message" or "state" as event but received ${event}`);
      set.add(listener);
      if (event !== 'message' && event in last) listener(last[event]);
      return () => void set.delete(listener);
    },
    send(message: unknown): void {
      send(encode('message', message));
    },
  };
  // Configurable, or a script that declares a name `streamKit` of its own would not run at all.
  const descriptor = { enumerable: true, configurable: true, writable: true };
  Object.defineProperty(scope, 'streamKit', { value: Object.freeze(streamKit), ...descriptor });
  const { postMessage } = globalThis as unknown as {
    postMessage: (message: string, origin: string) => void;
  };
  Object.defineProperty(scope, Symbol.for(receiverName), {
    value: (event: string, json: string) => {
      const value: unknown = parse(json);
      last[event] = value;
      for (const listener of listeners[event] ?? []) {
        try {
          listener(value);
        } catch (error) {
          // The page's own mistake is reported where the page's developer looks for it.
          setTimeout(() => {
            throw error;
          });
        }
      }
      // Pages written for other stream kits listen for it here.
      if (event === 'state') postMessage(stringify({ type: 'state-update', state: value }), '/');
    },
  });
}

export interface PageBridgeParameters {
  readonly initialData: unknown;
  /** As `location.origin` gives them; documents of others see neither the initial data nor the messages. */
  readonly origins: readonly string[];
  /** By which the page hands over what it says; see `relayCalls`. */
  readonly saidEvent: string;
  readonly listener: PageBridgeListener;
  readonly logger: Logger;
}

/**
 * `window.streamKit`: the page's side of the protocol, one for all tabs of a session. What the page says comes by the script
 * beside it.
 */
export class PageBridge {
  readonly #parameters: PageBridgeParameters;
  readonly #tabs = new Set<CdpSession>();
  readonly #receiverName = `streamKit_${randomBytes(8).toString('hex')}`;
  #metadata: Record<string, unknown> = {};
  #viewerCount = 0;
  /** Undefined: none was set. */
  #state: unknown;
  #windowStartMs = 0;
  #windowMessages = 0;
  #closed = false;

  constructor(parameters: PageBridgeParameters) {
    this.#parameters = parameters;
  }

  /** Installs the bridge into every document that the tab loads from now on. */
  async install(cdp: CdpSession): Promise<void> {
    const { initialData, origins, saidEvent } = this.#parameters;
    this.#tabs.add(cdp);
    cdp.once('disconnected', () => this.#tabs.delete(cdp));
    // A new document knows neither the viewers nor the state yet.
    cdp.on('Page.domContentEventFired', () => {
      this.#call(cdp, 'viewers', this.#viewerCount);
      if (this.#state !== undefined) this.#call(cdp, 'state', this.#state);
    });
    const parameters = [
      ...[saidEvent, this.#receiverName, JSON.stringify(initialData ?? null)],
      ...[MESSAGE_BYTES_MAX, DEPTH_MAX, origins],
    ];
    await Promise.all([
      cdp.send('Page.enable'),
      cdp.send('Page.addScriptToEvaluateOnNewDocument', {
        source: `(${installStreamKit.toString()})(${parameters.map((value) => JSON.stringify(value)).join(',')})`,
        // A tab that stands still at its first document has that document already.
        runImmediately: true,
      }),
    ]);
  }

  setViewerCount(count: number): void {
    this.#viewerCount = count;
    for (const cdp of this.#tabs) this.#call(cdp, 'viewers', count);
  }

  /** The latest is kept for documents to come. */
  setState(state: unknown): void {
    this.#state = state;
    for (const cdp of this.#tabs) this.#call(cdp, 'state', state);
  }

  sendMessage(message: unknown): void {
    for (const cdp of this.#tabs) this.#call(cdp, 'message', message);
  }

  close(): void {
    this.#closed = true;
  }

  #call(cdp: CdpSession, event: string, value: unknown): void {
    if (this.#closed) return;
    const receiver = `globalThis[Symbol.for(${JSON.stringify(this.#receiverName)})]`;
    // As a string: in a literal of JavaScript a client's key `__proto__` would set the prototype.
    const json = JSON.stringify(JSON.stringify(value));
    const expression = `${receiver}?.(${JSON.stringify(event)}, ${json})`;
    cdp.send('Runtime.evaluate', { expression }).catch(() => {
      this.#parameters.logger.debug({ event }, 'the page was not there to be told');
    });
  }

  /**
   * What a page has said. It may be hostile, and have patched whatever the script in it uses, so all is checked again here.
   * @param atMs - when, wall-clock ms since the Unix epoch.
   */
  receive(payload: string, atMs: unknown): void {
    if (this.#closed || !this.#admit() || Buffer.byteLength(payload) > MESSAGE_BYTES_MAX + 64) return;
    let parsed: unknown;
    try {
      parsed = JSON.parse(payload);
    } catch {
      return;
    }
    if (typeof parsed !== 'object' || parsed === null || !('type' in parsed) || !('value' in parsed)) return;
    if (depthOf(parsed.value) > DEPTH_MAX) return;
    if (parsed.type === 'message') {
      this.#parameters.listener.onPageMessage(parsed.value);
    } else if (parsed.type === 'metadata' && isRecord(parsed.value)) {
      const merged = { ...this.#metadata, ...parsed.value };
      if (Buffer.byteLength(JSON.stringify(merged)) > MESSAGE_BYTES_MAX) return;
      this.#metadata = merged;
      this.#parameters.listener.onPageMetadata(merged, monotonicUs(atMs));
    }
  }

  #admit(): boolean {
    const nowMs = performance.now();
    if (nowMs - this.#windowStartMs >= 1000) {
      this.#windowStartMs = nowMs;
      this.#windowMessages = 0;
    }
    this.#windowMessages++;
    if (this.#windowMessages === MESSAGES_PER_SECOND_MAX + 1) {
      this.#parameters.logger.warn({}, 'the page sends too many messages: some are dropped');
    }
    return this.#windowMessages <= MESSAGES_PER_SECOND_MAX;
  }
}

/** By how long ago it was: pages know the wall-clock time alone. */
function monotonicUs(atMs: unknown): number {
  const agoMs = typeof atMs === 'number' ? Math.min(Math.max(Date.now() - atMs, 0), LATENESS_MAX_MS) : 0;
  return systemClock.nowUs() - agoMs * 1000 + HALF_REFRESH_US;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function depthOf(value: unknown, depth = 0): number {
  if (typeof value !== 'object' || value === null || depth > DEPTH_MAX) return depth;
  return Math.max(depth, ...Object.values(value).map((member) => depthOf(member, depth + 1)));
}
