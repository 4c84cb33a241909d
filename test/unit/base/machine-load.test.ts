import { afterEach, describe, expect, it } from 'vitest';

import { freeCores, openMachineLoad } from '../../../src/base/machine-load.js';
import { FileTree } from '../../helpers/file-tree.js';

let tree: FileTree | undefined;

afterEach(() => {
  tree?.remove();
  tree = undefined;
});

const STAT = `cpu  100 20 30 4000 50 1 2 3 0 0
cpu0 50 10 15 2000 25 1 1 2 0 0
cpu1 50 10 15 2000 25 0 1 1 0 0
intr 5
`;

/** A /proc and a cgroup hierarchy with `app/inner` in it, where this process is. */
function machine(cgroupFiles: Readonly<Record<string, string>> = {}): ReturnType<typeof openMachineLoad> {
  tree = new FileTree({ stat: STAT, meminfo: 'MemTotal: 9000 kB\nMemAvailable:  8000 kB\n' });
  tree.write('self/mountinfo', `35 24 0:30 / ${tree.path}/cgroup rw - cgroup2 cgroup2 rw\n`);
  tree.write('self/cgroup', '0::/app/inner\n');
  for (const [name, text] of Object.entries(cgroupFiles)) tree.write(`cgroup/${name}`, text);
  return openMachineLoad(tree.path);
}

describe('openMachineLoad', () => {
  it('reads the CPU time and the memory of the machine', () => {
    const load = machine();
    expect(load.readCpuTime()).toEqual({ busySeconds: 1.56, cores: 2, cgroupSeconds: undefined });
    expect(load.readAvailableBytes()).toBe(8000 * 1024);
  });

  it('keeps within the tightest limit of the cgroups above', () => {
    const load = machine({
      'app/memory.max': '2000000\n',
      'app/memory.current': '1500000\n',
      'app/memory.stat': 'anon 5\ninactive_file 400000\n',
      'app/inner/memory.max': 'max\n',
      'app/cpu.max': '50000 100000\n',
      'app/inner/cpu.max': 'max 100000\n',
      'app/inner/cpu.stat': 'usage_usec 3500000\nuser_usec 1\n',
    });
    expect(load.size).toEqual({ cores: 0.5, memoryBytes: 2_000_000 });
    expect(load.readAvailableBytes()).toBe(900_000);
    expect(load.readCpuTime().cgroupSeconds).toBe(3.5);
  });

  it('makes do with what Node.js knows where there is no /proc', () => {
    const load = openMachineLoad('/nowhere');
    expect(load.size.cores).toBeGreaterThan(0);
    expect(load.readAvailableBytes()).toBeGreaterThan(0);
    expect(freeCores(load.size, load.readCpuTime(), load.readCpuTime(), 1)).toBe(load.size.cores);
  });
});

describe('freeCores', () => {
  const size = { cores: 2, memoryBytes: 1 };
  const at = (busySeconds: number, cgroupSeconds?: number) => ({ busySeconds, cores: 4, cgroupSeconds });

  it('is what the machine did not use', () => {
    expect(freeCores(size, at(10), at(25), 5)).toBe(1);
    expect(freeCores(size, at(10), at(40), 5)).toBe(0);
  });

  it('is no more than this process may use', () => {
    expect(freeCores(size, at(10), at(10), 5)).toBe(2);
    expect(freeCores(size, at(10, 1), at(15, 6), 5)).toBe(1);
  });
});
