import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { StateFolderLock } from '../../../src/terminal/state-folder-lock.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lock-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

describe('a folder', () => {
  it('is one server at a time', () => {
    const lock = new StateFolderLock(folder);
    expect(() => new StateFolderLock(folder)).toThrow(
      expect.objectContaining({ code: 'bad_option' }) as Error,
    );
    lock.release();
    const next = new StateFolderLock(folder);
    // One that has let go of it does not take it away from the next.
    lock.release();
    expect(existsSync(join(folder, 'owner'))).toBe(true);
    next.release();
    expect(existsSync(join(folder, 'owner'))).toBe(false);
  });

  it.each([
    ['a process that is gone', '4194305 1'],
    ['a process before this one, of the same number', `${process.pid} 1`],
    ['nobody that can be read', 'x'],
  ])('that belonged to %s is taken', (_, owner) => {
    writeFileSync(join(folder, 'owner'), owner);
    new StateFolderLock(folder).release();
    expect(existsSync(join(folder, 'owner'))).toBe(false);
  });
});
