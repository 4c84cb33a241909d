import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { silentLogger } from '../../../../src/base/logger.js';
import { processStartTicks } from '../../../../src/base/process-table.js';
import { CgroupDelegation } from '../../../../src/render/limits/cgroup-delegation.js';
import { describeSessionLimits } from '../../../../src/render/limits/open-session-limiter.js';
import type { SessionLimiter } from '../../../../src/render/limits/session-limiter.js';
import { FileTree } from '../../../helpers/file-tree.js';

const LIMITS = { memoryBytes: 512 * 2 ** 20, cpuWeight: 50, pids: 400 };

/** Plain files stand for those of the kernel: what is written into them can be read back. */
let tree: FileTree;

beforeEach(() => {
  tree = new FileTree({
    'cgroup.controllers': 'cpuset cpu io memory pids\n',
    'cgroup.subtree_control': '\n',
    'cgroup.procs': '1\n',
    'cgroup.type': 'domain\n',
  });
});

afterEach(() => tree.remove());

function open(): SessionLimiter {
  const found = CgroupDelegation.find({ mountPoint: tree.path, directory: tree.path });
  if (!(found instanceof CgroupDelegation)) throw new Error(found.reason);
  return found.open(LIMITS, silentLogger);
}

const text = (...names: string[]): string => readFileSync(join(tree.path, ...names), 'utf8');

function reasonIn(directory: string): string {
  const found = CgroupDelegation.find({ mountPoint: tree.path, directory });
  return found instanceof CgroupDelegation ? 'delegated' : found.reason;
}

describe('CgroupDelegation', () => {
  it('moves this process into a leaf before it hands the controllers down', () => {
    open();
    expect(text('stream-kit-host', 'cgroup.procs')).toBe(String(process.pid));
    expect(text('cgroup.subtree_control')).toBe('+memory +cpu +pids');
  });

  it('stays in the root of the hierarchy, which may hold processes', () => {
    rmSync(join(tree.path, 'cgroup.type'));
    open();
    expect(existsSync(join(tree.path, 'stream-kit-host'))).toBe(false);
  });

  it('finds its way back from the leaf', () => {
    mkdirSync(join(tree.path, 'stream-kit-host'));
    const found = CgroupDelegation.find({
      mountPoint: tree.path,
      directory: join(tree.path, 'stream-kit-host'),
    });
    expect(found).toMatchObject({ directory: tree.path });
  });

  it('says why there is none', () => {
    const none = CgroupDelegation.find(undefined);
    expect(none).toEqual({ reason: 'cgroup v2 is not mounted' });
    tree.write('cgroup.controllers', 'hugetlb cpu\n');
    expect(reasonIn(tree.path)).toBe('the cgroup of this process has no controller for memory, pids');
    tree.write('cgroup.controllers', 'cpu memory pids\n');
    rmSync(join(tree.path, 'cgroup.procs'));
    expect(reasonIn(tree.path)).toBe(`${tree.path} is not delegated to this process`);
  });

  it('removes the cgroups of servers that are gone, and no others', () => {
    const own = `stream-kit-session-${process.pid}-${processStartTicks(process.pid)}-a-1`;
    const gone = `stream-kit-session-${process.pid}-1-a-1`;
    for (const name of [own, gone, 'somebody-else']) mkdirSync(join(tree.path, name));
    open();
    expect([own, gone, 'somebody-else'].map((name) => existsSync(join(tree.path, name)))).toEqual([
      true,
      false,
      true,
    ]);
  });

  it('sets the limits of a session before its process enters', () => {
    open().limit('0000', 4321);
    const name = `stream-kit-session-${process.pid}-${processStartTicks(process.pid)}-0000-4321`;
    const files = ['memory.max', 'memory.oom.group', 'cpu.weight', 'pids.max', 'cgroup.procs'];
    expect(files.map((file) => text(name, file))).toEqual(['536870912', '1', '50', '400', '4321']);
  });

  it('knows a session that the kernel has ended for its memory', () => {
    const session = open().limit('0000', 4321);
    expect(session.outOfMemory).toBe(false);
    const name = `stream-kit-session-${process.pid}-${processStartTicks(process.pid)}-0000-4321`;
    tree.write(`${name}/memory.events`, 'low 0\noom 1\noom_kill 7\noom_group_kill 1\n');
    expect(session.outOfMemory).toBe(true);
  });
});

describe('describeSessionLimits', () => {
  it('names the folder and the limits where the controllers are delegated', () => {
    expect(describeSessionLimits({ mountPoint: tree.path, directory: tree.path })).toBe(
      `cgroups in ${tree.path} (memory, CPU weight, pids)`,
    );
  });

  it('says what is done without them, and what is missing', () => {
    writeFileSync(join(tree.path, 'cgroup.controllers'), 'cpuset io\n');
    expect(describeSessionLimits({ mountPoint: tree.path, directory: tree.path })).toMatch(
      /^memory is watched, CPU by niceness, no limit of pids: .*no controller for memory, cpu, pids/,
    );
  });
});
