import { spawn } from 'node:child_process';
import { once } from 'node:events';

import { expect, it } from 'vitest';

import { procCpuTimes } from '../../../src/base/process-cpu-time.js';

it('the CPU time of a process has that of its children, also of those that have ended', async () => {
  // Both children burn until the kernel has counted 200 ms for them; the first ends, the second stays.
  const burn = 'while (process.cpuUsage().user < 200e3);';
  const program = `
    const { spawnSync, spawn } = require('node:child_process');
    spawnSync(process.execPath, ['-e', ${JSON.stringify(burn)}]);
    const child = spawn(process.execPath, ['-e', ${JSON.stringify(`${burn} console.log(1); setInterval(() => {}, 1000)`)}], { stdio: ['pipe', 'pipe', 'inherit'] });
    child.stdout.once('data', () => console.log('burnt'));
    process.stdin.on('end', () => { child.kill('SIGKILL'); process.exit(); }).resume();
  `;
  const parent = spawn(process.execPath, ['-e', program], { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(parent.stdout, 'data');
  const pid = parent.pid ?? 0;
  const times = await procCpuTimes([pid, 2 ** 22 + 1]);
  expect([...times.keys()]).toEqual([pid]);
  expect(times.get(pid)).toBeGreaterThanOrEqual(0.4);
  const exited = once(parent, 'exit');
  parent.stdin.end();
  await exited;
  expect((await procCpuTimes([pid])).size).toBe(0);
});
