import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { getPriority } from 'node:os';

import { expect, it } from 'vitest';

import { setNiceness } from '../../../src/base/process-niceness.js';
import { until } from '../../helpers/patience.js';

const groupOf = (pid: number | string): string => readFileSync(`/proc/${pid}/autogroup`, 'utf8').trim();

it.runIf(existsSync('/proc/self/autogroup')).each([
  { detached: true, group: () => expect.stringMatching(/nice 7$/) as string },
  // The group of this process, which is none where its session began before there were groups.
  { detached: false, group: () => groupOf('self') },
])('a process, and its group if it leads one, gets the niceness: %o', async ({ detached, group }) => {
  const child = spawn('sleep', ['60'], { stdio: 'ignore', detached });
  await once(child, 'spawn');
  const pid = child.pid ?? 0;
  try {
    setNiceness(pid, 7);
    expect(getPriority(pid)).toBe(7);
    await until(() => expect(groupOf(pid)).toEqual(group()));
  } finally {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
});
