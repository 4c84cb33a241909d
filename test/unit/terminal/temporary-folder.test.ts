import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { silentLogger } from '../../../src/base/logger.js';
import { TemporaryFolder } from '../../../src/terminal/temporary-folder.js';

let parent: string;

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'stream-kit-temporary-'));
  vi.stubEnv('TMPDIR', parent);
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(parent, { recursive: true, force: true });
});

it('leaves nothing if its watchdog cannot be started', async () => {
  // Longer than one argument of a program may be on Linux: Node throws.
  await expect(TemporaryFolder.create('x'.repeat(200_000), silentLogger)).rejects.toMatchObject({
    code: 'E2BIG',
  });
  expect(await readdir(parent)).toEqual([]);
});
