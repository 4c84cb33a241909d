import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { findOwnCgroup } from '../../src/base/own-cgroup.js';
import { CgroupDelegation } from '../../src/render/limits/cgroup-delegation.js';
import { SessionCgroup } from '../../src/render/limits/session-cgroup.js';

const own = findOwnCgroup();
const delegation = CgroupDelegation.find(own);
const NO_LIMITS = { memoryBytes: undefined, cpuWeight: undefined, pids: undefined };

/** A cgroup of this test, or undefined where it may not make one. */
function testCgroup(): string | undefined {
  try {
    return own && mkdtempSync(join(own.directory, 'stream-kit-test-'));
  } catch {
    return undefined;
  }
}

test('closing a session cgroup kills all that was started in it, and removes it', async (context) => {
  const directory = testCgroup();
  if (directory === undefined) return context.skip('no cgroup v2 is writable here');
  const session = join(directory, 'session');
  try {
    const child = spawn('sh', ['-c', 'read -r _; setsid sleep 60 & echo $!; sleep 60'], {
      stdio: ['pipe', 'pipe', 'inherit'],
      detached: true,
    });
    const cgroup = SessionCgroup.create(session, NO_LIMITS, child.pid ?? 0);
    child.stdin.write('go\n');
    const [output] = (await once(child.stdout, 'data')) as [Buffer];
    const grandchild = Number(output.toString());
    expect(readFileSync(join(session, 'cgroup.procs'), 'utf8')).toContain(String(grandchild));
    const exited = once(child, 'exit');
    await Promise.all([cgroup.close(), cgroup.close()]);
    expect(await exited).toEqual([null, 'SIGKILL']);
    expect(existsSync(session)).toBe(false);
    expect(cgroup.outOfMemory).toBe(false);
  } finally {
    rmdirSync(directory);
  }
});

test('the kernel ends a session that needs more memory than it may', async (context) => {
  if (!(delegation instanceof CgroupDelegation)) return context.skip(delegation.reason);
  const directory = join(delegation.directory, `stream-kit-test-${process.pid}`);
  const allocate = 'const kept = []; for (;;) kept.push(Buffer.alloc(2 ** 20, 1));';
  const child = spawn('sh', ['-c', 'read -r _; exec "$0" -e "$1"', process.execPath, allocate], {
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  const cgroup = SessionCgroup.create(
    directory,
    { ...NO_LIMITS, memoryBytes: 128 * 2 ** 20 },
    child.pid ?? 0,
  );
  const exited = once(child, 'exit');
  child.stdin.write('go\n');
  expect(await exited).toEqual([null, 'SIGKILL']);
  expect(cgroup.outOfMemory).toBe(true);
  await cgroup.close();
});
