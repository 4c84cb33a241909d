import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { getPriority } from 'node:os';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { silentLogger } from '../../../../src/base/logger.js';
import { nicenessOf, ProcessLimiter } from '../../../../src/render/limits/process-limiter.js';
import { procMemory } from '../../../../src/base/process-memory.js';
import { VirtualClock } from '../../../helpers/virtual-clock.js';

const MIB = 2 ** 20;
const NO_LIMITS = { memoryBytes: undefined, cpuWeight: undefined, pids: undefined };

let child: ChildProcess;
let clock: VirtualClock;

beforeEach(async () => {
  clock = new VirtualClock();
  child = spawn('sleep', ['60'], { stdio: 'ignore' });
  await once(child, 'spawn');
});

afterEach(async () => {
  if (child.exitCode === null && child.signalCode === null) {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
});

const pid = (): number => child.pid ?? 0;

describe('ProcessLimiter', () => {
  it('ends the session that needs more memory than it may, and no other', async () => {
    const used = new Map([[pid(), 100 * MIB]]);
    const limiter = new ProcessLimiter({ ...NO_LIMITS, memoryBytes: 200 * MIB }, clock, silentLogger, () =>
      Promise.resolve(used),
    );
    const [session, other] = [limiter.limit('a', pid()), limiter.limit('b', 999_999_999)];
    await clock.advance(2000);
    expect([session.outOfMemory, child.killed]).toEqual([false, false]);
    used.set(pid(), 201 * MIB);
    const exited = once(child, 'exit');
    await clock.advance(2000);
    expect(await exited).toEqual([null, 'SIGKILL']);
    expect([session.outOfMemory, other.outOfMemory]).toEqual([true, false]);
    await session.close();
    expect(clock.pendingTimers).toBe(1);
    await other.close();
    expect(clock.pendingTimers).toBe(0);
  });

  it('gives a process the niceness of its weight', () => {
    new ProcessLimiter({ ...NO_LIMITS, cpuWeight: 50 }, clock, silentLogger).limit('a', pid());
    expect(getPriority(pid())).toBe(3);
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('nicenessOf', () => {
  it.each([
    [100, 0],
    [80, 1],
    [1, 19],
    [10_000, -20],
  ])('a weight of %i is a niceness of %i', (weight, niceness) => {
    expect(nicenessOf(weight)).toBe(niceness);
  });
});

describe('procMemory', () => {
  it('counts a process with its descendants, exactly where it matters', async () => {
    const script = `const { spawn } = require('node:child_process');
      globalThis.kept = Buffer.alloc(40 * 2 ** 20, 1);
      if (process.argv[1] === 'parent')
        spawn(process.execPath, ['-e', process.argv[2], 'child'], { stdio: 'inherit' });
      else { process.stdout.write('ready'); process.stdin.resume(); }`;
    const parent = spawn(process.execPath, ['-e', script, 'parent', script], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    try {
      await once(parent.stdout, 'data');
      for (const exactFromBytes of [0, Infinity]) {
        const usage = await procMemory([parent.pid ?? 0, 999_999_999], exactFromBytes);
        expect(usage.get(parent.pid ?? 0)).toBeGreaterThan(80 * MIB);
        expect(usage.get(parent.pid ?? 0)).toBeLessThan(400 * MIB);
        expect(usage.get(999_999_999)).toBe(0);
      }
    } finally {
      const closed = once(parent, 'close');
      parent.stdin.end();
      await closed;
    }
  });
});
