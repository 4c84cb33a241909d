import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const script = pathToFileURL(join(import.meta.dirname, '../../../scripts/check-rooms.mjs')).href;
const { checkRooms } = (await import(script)) as { checkRooms: (root: string) => string[] };

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

describe('rooms', () => {
  it('may be entered from the room on their right', () => {
    expect(
      faults({
        'errors.ts': 'export const e = 1;',
        'capture/capture.ts': `import { e } from '../errors.js'; export const c = e;`,
        'encode/encoder.ts': `import { c } from '../capture/capture.js'; export const d = c;`,
        'session/session.ts': `import type { C } from '../capture/capture.js';
          import { type D } from '../encode/encoder.js'; export type S = C | D;`,
        'router.ts': `import { d } from './encode/encoder.js'; import './session/session.js'; export { d };`,
        'index.ts': `export { d } from './router.js';`,
      }),
    ).toEqual([]);
  });

  it.each([
    ['capture/a.ts', `import { b } from '../encode/b.js';`, 'capture imports from encode'],
    ['fanout/a.ts', `export * from '../peer/b.js';`, 'fanout imports from peer'],
    ['encode/a.ts', `await import('../session/b.js');`, 'encode imports from session'],
    ['encode/a.ts', `type A = import('../http/b.js').B;`, 'encode imports from http'],
    ['recording/a.ts', `import type { B } from '../session/b.js';`, 'recording imports from session'],
    [
      'session/a.ts',
      `import { b } from '../recording/b.js';`,
      'session imports more than types from recording',
    ],
    ['http/a.ts', `import type { B } from '../peer/b.js';`, 'http imports from peer'],
    [
      'session/a.ts',
      `import { type A, b } from '../capture/b.js';`,
      'session imports more than types from capture',
    ],
    ['session/a.ts', `import '../capture/b.js';`, 'session imports more than types from capture'],
    ['errors.ts', `import type { B } from './http/b.js';`, 'a leaf module imports from http'],
    ['client/a.ts', `import { e } from '../errors.js';`, 'client imports from errors, but shares nothing'],
    ['capture/page/a.ts', `import type { B } from '../b.js';`, 'capture/page imports from capture'],
    ['demo/a.ts', `import { b } from '../session/b.js';`, 'demo imports from session'],
    ['attic/a.ts', `import { e } from '../errors.js';`, 'has no rule for attic'],
  ])('refuse %s: %s', (file, text, fault) => {
    expect(faults({ [file]: text })).toEqual([expect.stringContaining(fault)]);
  });

  it('have no circles', () => {
    const files = {
      'http/a.ts': `import './b.js';`,
      'http/b.ts': `import type { C } from './c.js';`,
      'http/c.ts': `import './a.js';`,
    };
    expect(faults(files)).toEqual(['import cycle: http/a.ts -> http/b.ts -> http/c.ts -> http/a.ts']);
  });

  it('have no long file without a reason', () => {
    const long = 'export {};\n'.repeat(401);
    expect(
      faults({
        'http/long.ts': long,
        'http/excused.ts': `// Over 400 lines: one table\n${long}`,
        'http/just.ts': 'export {};\n'.repeat(400),
      }),
    ).toEqual([expect.stringContaining('http/long.ts: 401 lines')]);
  });

  it('have no drawers for odds and ends, and no open window', () => {
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
});
