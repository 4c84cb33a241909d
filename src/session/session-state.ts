import jsonPatch from 'fast-json-patch';
import type { Operation } from 'fast-json-patch';

import type { RungMetadata, StreamSessionState, VideoMetadata } from '../protocol/state-document.js';
import type { VideoEncoderStats } from '../render/encode/encode-thread.js';

/**
 * How far `lastActivityTime` may lie behind the last activity, ms. Activity alone must not make a patch every interval,
 * and the document must be what the patches come to.
 */
export const ACTIVITY_GRANULARITY_MS = 10_000;

/** The state document, and the copy of it that viewers have by now. */
export class SessionState {
  readonly #document: StreamSessionState;
  #published: StreamSessionState;
  #changed = false;

  constructor(initial: StreamSessionState) {
    this.#document = structuredClone(initial);
    this.#published = structuredClone(initial);
  }

  /** As it is now. */
  get document(): Readonly<StreamSessionState> {
    return this.#document;
  }

  /** As the patches taken so far describe it. */
  get published(): Readonly<StreamSessionState> {
    return this.#published;
  }

  /** Something may have changed since the last patch. */
  get changed(): boolean {
    return this.#changed;
  }

  update(change: (document: StreamSessionState) => void): void {
    change(this.#document);
    this.#changed = true;
  }

  /** Notes activity, unless what stands there is recent enough. */
  touch(wallMs: number): void {
    if (wallMs - this.#document.lastActivityTime < ACTIVITY_GRANULARITY_MS) return;
    this.#document.lastActivityTime = wallMs;
    this.#changed = true;
  }

  /** What changed since the last call, RFC 6902; empty when nothing did. */
  takePatch(): Operation[] {
    if (!this.#changed) return [];
    this.#changed = false;
    const operations = jsonPatch.compare(this.#published, this.#document);
    if (operations.length > 0) this.#published = structuredClone(this.#document);
    return operations;
  }
}

/**
 * A copy of what the page set, without the keys that a careful RFC 6902 client refuses to patch
 * (`__proto__`, `constructor/prototype`): one page must not make every viewer's document fail.
 */
export function patchableCopy(value: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return JSON.parse(JSON.stringify(value), (key, entry: unknown) => {
    if (key === '__proto__') return undefined;
    if (key === 'constructor' && typeof entry === 'object' && entry !== null && 'prototype' in entry) {
      return Object.fromEntries(Object.entries(entry).filter(([name]) => name !== 'prototype'));
    }
    return entry;
  }) as Record<string, unknown>;
}

/** What the state says of an encoder. Rates to a tenth and to a kilobit: finer digits would only make patches. */
export function videoMetadata(stats: VideoEncoderStats, rungs: readonly RungMetadata[]): VideoMetadata {
  const { codec, encoder, width, height } = stats;
  return {
    ...{ codec, encoder, width, height },
    frameRate: Math.round(stats.frameRate * 10) / 10,
    bitrateBps: Math.round(stats.bitrateBps / 1000) * 1000,
    rungs: rungs.map(({ width, height, frameRate, bitrateBps, viewers }) => ({
      ...{ width, height, frameRate, bitrateBps, viewers },
    })),
  };
}
