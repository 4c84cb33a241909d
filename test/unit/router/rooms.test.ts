import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const script = pathToFileURL(join(import.meta.dirname, '../../../scripts/check-rooms.mjs')).href;
const { checkRooms, checkExplained } = (await import(script)) as Record<
  'checkRooms' | 'checkExplained',
  (root: string) => string[]
>;

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'rooms-'));
});
afterEach(() => rmSync(root, { recursive: true }));

function faults(files: Readonly<Record<string, string>>): string[] {
  for (const [name, text] of Object.entries(files)) {
    const path = join(root, 'src', name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
  return checkRooms(root);
}

describe('the room check', () => {
  it('lets a room import the rooms below it', () => {
    expect(
      faults({
        'base/errors.ts': 'export const e = 1;',
        'render/capture/capture.ts': `import { e } from '../../base/errors.js'; export const c = e;`,
        'render/encode/encoder.ts': `import { c } from '../capture/capture.js'; export const d = c;`,
        'session/session.ts': `import type { C } from '../render/capture/capture.js';
          import { type D } from '../render/encode/encoder.js'; export type S = C | D;`,
        'client/media/a.ts': `import type { E } from '../../protocol/e.js';`,
        'protocol/e.ts': 'export type E = 1;',
        'router.ts': `import { d } from './render/encode/encoder.js'; import './session/session.js'; export { d };`,
        'index.ts': `export { d } from './router.js';`,
        'demo/main.ts': `import '../index.js';`,
      }),
    ).toEqual([]);
  });

  it.each([
    ['base/a.ts', `import type { B } from '../options/b.js';`, 'base imports from options'],
    [
      'render/capture/a.ts',
      `import { b } from '../encode/b.js';`,
      'render/capture imports from render/encode',
    ],
    ['fanout/a.ts', `export * from '../peer/b.js';`, 'fanout imports from peer'],
    ['render/encode/a.ts', `await import('../../session/b.js');`, 'render/encode imports from session'],
    ['render/encode/a.ts', `type A = import('../../http/b.js').B;`, 'render/encode imports from http'],
    ['recording/a.ts', `import type { B } from '../session/b.js';`, 'recording imports from session'],
    [
      'session/a.ts',
      `import { b } from '../recording/b.js';`,
      'session imports more than types from recording',
    ],
    [
      'session/a.ts',
      `import { type A, b } from '../render/capture/b.js';`,
      'session imports more than types from render/capture',
    ],
    ['session/a.ts', `import '../render/b.js';`, 'session imports more than types from render'],
    ['client/a.ts', `import { e } from '../base/errors.js';`, 'client imports from base, but shares only'],
    [
      'render/capture/page/a.ts',
      `import type { B } from '../b.js';`,
      'render/capture/page imports from render/capture',
    ],
    ['session/a.ts', `import { r } from '../router.js';`, 'session imports from router'],
    ['attic/a.ts', `import { e } from '../base/errors.js';`, 'has no place for attic'],
  ])('refuses %s: %s', (file, text, fault) => {
    expect(faults({ [file]: text })).toEqual([expect.stringContaining(fault)]);
  });

  it('refuses import cycles', () => {
    const files = {
      'http/a.ts': `import './b.js';`,
      'http/b.ts': `import type { C } from './c.js';`,
      'http/c.ts': `import './a.js';`,
    };
    expect(faults(files)).toEqual(['import cycle: http/a.ts -> http/b.ts -> http/c.ts -> http/a.ts']);
  });

  it('refuses a long file without a reason', () => {
    const long = 'export {};\n'.repeat(501);
    expect(
      faults({
        'http/long.ts': long,
        'http/excused.ts': `// Over 500 lines: one table\n${long}`,
        'http/just.ts': 'export {};\n'.repeat(500),
      }),
    ).toEqual([expect.stringContaining('http/long.ts: 501 lines')]);
  });

  it('refuses names that are no nouns and an index that exports by wildcard', () => {
    expect(
      faults({
        'http/utils.ts': '',
        'session/common/a.ts': '',
        'index.ts': `export * from './router.js';`,
        'router.ts': '',
      }),
    ).toEqual([
      expect.stringContaining('"utils"'),
      expect.stringContaining('wildcard'),
      expect.stringContaining('"common"'),
    ]);
  });

  it('names a room that the architecture does not explain, and a place in the order without a room', () => {
    faults({ 'base/a.ts': '', 'attic/a.ts': '' });
    mkdirSync(join(root, 'docs'));
    writeFileSync(join(root, 'docs', 'architecture.md'), '| `base/` | The clock |');
    const found = checkExplained(root);
    expect(found).toContain('src/attic: is not explained in docs/architecture.md');
    expect(found).toContain('src/session: has a place in the order of rooms, and is none');
    expect(found.filter((fault) => fault.startsWith('src/base:'))).toEqual([]);
  });
});
