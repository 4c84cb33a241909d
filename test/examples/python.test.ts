import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { root } from '../helpers/product.js';
import { TestServer } from '../helpers/test-server.js';

const hasPython = spawnSync('python3', ['--version']).status === 0;
const reason = hasPython ? '' : ' (skipped: there is no python3)';

it.skipIf(!hasPython)(`the example python saves a picture and ends its session${reason}`, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'python-example-'));
  const server = await TestServer.start({ openApi: true });
  try {
    const file = join(folder, 'picture.png');
    const script = join(root, 'examples', 'python', 'session.py');
    const child = spawn('python3', [script, `${server.origin}/stream`, server.page('color=0b3d2e'), file], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let printed = '';
    child.stdout.on('data', (bytes: Buffer) => (printed += bytes.toString()));
    expect(await once(child, 'exit')).toEqual([0, null]);
    expect(printed).toMatch(/^Created .*\nSaved \d+ bytes to .*\nEnded\n$/);
    // The signature of PNG, and the width in its first chunk.
    const picture = readFileSync(file);
    expect(picture.subarray(1, 4).toString()).toBe('PNG');
    expect(picture.readUInt32BE(16)).toBe(1280);
    expect(server.router.sessions.list()).toEqual([]);
  } finally {
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
