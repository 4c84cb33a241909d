import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { makeDirectorySync } from '../../../src/base/make-directory.js';

describe('making a directory', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'directory-test-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('makes those above it too, for this user alone', () => {
    const path = join(folder, 'a', 'b', 'c');
    makeDirectorySync(path);
    makeDirectorySync(path);
    expect(statSync(join(folder, 'a')).mode & 0o777).toBe(0o700);
    expect(statSync(path).isDirectory()).toBe(true);
  });

  it('fails where a file is in the way', () => {
    writeFileSync(join(folder, 'file'), '');
    expect(() => makeDirectorySync(join(folder, 'file'))).toThrow('EEXIST');
    expect(() => makeDirectorySync(join(folder, 'file', 'a'))).toThrow('ENOTDIR');
  });

  it.skipIf(!existsSync('/proc/self'))(
    'fails below procfs, which takes no name, in place of trying for ever',
    () => {
      expect(() => makeDirectorySync('/proc/stream-kit/a/b')).toThrow('ENOENT');
    },
  );
});
