import jsonPatch from 'fast-json-patch';
import type { Operation } from 'fast-json-patch';
import { describe, expect, it } from 'vitest';

import { initialState } from '../../../src/session/initial-state.js';
import { ACTIVITY_GRANULARITY_MS, patchableCopy, SessionState } from '../../../src/session/session-state.js';
import { seededRandom } from '../../helpers/seeded-random.js';
import { testRequest } from '../../helpers/session-fakes.js';

const NOW_MS = 1_700_000_000_000;

function newState(): SessionState {
  return new SessionState(initialState('id', testRequest(), NOW_MS, 'werift'));
}

/** JSON of any shape, with the keys that make trouble in paths and prototypes. */
function randomJson(random: () => number, depth: number): unknown {
  const keys = ['a', 'b/c', '~d', '', '0', 'toString', '__proto__', 'constructor', 'prototype', 'ü'];
  const pick = Math.floor(random() * (depth > 0 ? 7 : 5));
  if (pick === 0) return null;
  if (pick === 1) return random() < 0.5;
  if (pick === 2) return Math.floor(random() * 5);
  if (pick === 3) return String(Math.floor(random() * 5));
  if (pick === 4) return random() < 0.5 ? {} : [];
  const entries = Array.from({ length: Math.floor(random() * 5) }, () => randomJson(random, depth - 1));
  if (pick === 5) return entries;
  const object = Object.create(null) as Record<string, unknown>;
  for (const entry of entries) {
    Object.defineProperty(object, keys[Math.floor(random() * keys.length)] ?? 'a', {
      value: entry,
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
  return JSON.parse(JSON.stringify(object));
}

describe('SessionState', () => {
  it.each([1, 2, 3, 4, 5])('gives patches that lead a client to the same document (seed %i)', (seed) => {
    const random = seededRandom(seed);
    const state = newState();
    let client: unknown = JSON.parse(JSON.stringify(state.document));
    for (let round = 0; round < 200; round++) {
      const page = patchableCopy({ value: randomJson(random, 4), other: randomJson(random, 2) });
      state.update((document) => {
        document.metadata.page = page;
        document.metadata.viewers = Math.floor(random() * 3);
        if (random() < 0.3) document.error = 'It broke';
        else delete document.error;
      });
      // What goes over the wire, validated and applied as a client does.
      const operations = JSON.parse(JSON.stringify(state.takePatch())) as Operation[];
      client = jsonPatch.applyPatch(client, operations, true, true, true).newDocument;
      expect(client).toEqual(JSON.parse(JSON.stringify(state.document)));
      expect(state.published).toEqual(state.document);
    }
  });

  it('has no patch while nothing changes', () => {
    const state = newState();
    state.update((document) => {
      document.metadata.viewers = 0;
    });
    expect(state.takePatch()).toEqual([]);
  });

  it('keeps what viewers know apart from what is', () => {
    const state = newState();
    state.update((document) => {
      document.metadata.page = { level: 1 };
    });
    expect(state.published.metadata.page).toEqual({});
    state.takePatch();
    expect(state.published.metadata.page).toEqual({ level: 1 });
  });

  it('notes activity only when what stands there has become stale', () => {
    const state = newState();
    state.touch(NOW_MS + ACTIVITY_GRANULARITY_MS - 1);
    expect(state.document.lastActivityTime).toBe(NOW_MS);
    expect(state.changed).toBe(false);
    state.touch(NOW_MS + ACTIVITY_GRANULARITY_MS);
    expect(state.takePatch()).toEqual([
      { op: 'replace', path: '/lastActivityTime', value: NOW_MS + ACTIVITY_GRANULARITY_MS },
    ]);
  });
});

describe('patchableCopy', () => {
  it('leaves out the keys that clients refuse to patch', () => {
    const hostile = JSON.parse(
      '{"a":{"__proto__":{"x":1},"constructor":{"prototype":{"y":1},"z":2}},"prototype":3}',
    ) as Record<string, unknown>;
    expect(JSON.stringify(patchableCopy(hostile))).toBe('{"a":{"constructor":{"z":2}},"prototype":3}');
  });
});
