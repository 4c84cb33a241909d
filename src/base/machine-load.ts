import { readFileSync } from 'node:fs';
import { availableParallelism, freemem, totalmem } from 'node:os';
import { dirname, join } from 'node:path';

import type { OwnCgroup } from './own-cgroup.js';
import { cgroupFileValue, findOwnCgroup, readCgroupFile } from './own-cgroup.js';

/** What this process can use, the limits of its cgroups counted. */
export interface MachineSize {
  /** May be a fraction: a container can have a quota of 1.5 cores. */
  readonly cores: number;
  readonly memoryBytes: number;
}

/** CPU time since some origin, s summed over all cores. Two readings and the time between them give a load. */
export interface CpuTime {
  /** Of the whole machine, which has `cores`. */
  readonly busySeconds: number;
  readonly cores: number;
  /** Of the cgroup of this process and those below it; undefined without cgroup v2. */
  readonly cgroupSeconds: number | undefined;
}

/** Where figures of this machine come from; a test brings its own. */
export interface MachineLoad {
  readonly size: MachineSize;
  /** What could be allocated now without swapping. */
  readAvailableBytes(): number;
  readCpuTime(): CpuTime;
}

/** `USER_HZ`: the same on every Linux architecture that Node.js runs on. */
const TICKS_PER_SECOND = 100;

/** The machine on which this process runs. Without /proc it is what Node.js knows of it. */
export function openMachineLoad(procDirectory = '/proc'): MachineLoad {
  const own = findOwnCgroup(procDirectory);
  const directories = own === undefined ? [] : upwards(own);
  const quotaCores = Math.min(...directories.map(quotaOf), Infinity);
  const memoryLimits = directories.flatMap((directory) => {
    const limit = Number(readCgroupFile(directory, 'memory.max') ?? NaN);
    return Number.isFinite(limit) ? [{ directory, limit }] : [];
  });
  return {
    size: {
      cores: Math.min(availableParallelism(), quotaCores),
      memoryBytes: Math.min(totalmem(), ...memoryLimits.map(({ limit }) => limit)),
    },
    readAvailableBytes: () =>
      Math.min(
        availableOfMachine(procDirectory),
        ...memoryLimits.map(({ directory, limit }) => limit - usedBytes(directory)),
      ),
    readCpuTime: () => ({
      ...machineTime(procDirectory),
      cgroupSeconds: own === undefined ? undefined : usageSeconds(own.directory),
    }),
  };
}

/**
 * The cores that were idle between two readings, within the limits of this process.
 *
 * @param elapsedSeconds - between the readings; more than 0.
 */
export function freeCores(
  size: MachineSize,
  before: CpuTime,
  after: CpuTime,
  elapsedSeconds: number,
): number {
  const ofMachine = after.cores - (after.busySeconds - before.busySeconds) / elapsedSeconds;
  // Without /proc/stat nothing is known of the load.
  if (after.cores === 0) return size.cores;
  if (after.cgroupSeconds === undefined || before.cgroupSeconds === undefined) {
    return Math.max(0, Math.min(size.cores, ofMachine));
  }
  const ofCgroup = size.cores - (after.cgroupSeconds - before.cgroupSeconds) / elapsedSeconds;
  return Math.max(0, Math.min(ofMachine, ofCgroup));
}

function upwards({ directory, mountPoint }: OwnCgroup): string[] {
  const found: string[] = [];
  for (let at = directory; at.startsWith(mountPoint); at = dirname(at)) found.push(at);
  return found;
}

/** `cpu.max` holds `max 100000`, or the quota and the period in µs. */
function quotaOf(directory: string): number {
  const [quota, period] = (readCgroupFile(directory, 'cpu.max') ?? 'max').split(' ');
  return quota === undefined || quota === 'max' ? Infinity : Number(quota) / Number(period);
}

/** The page cache that the kernel would give back at once does not count as used. */
function usedBytes(directory: string): number {
  const current = Number(readCgroupFile(directory, 'memory.current') ?? 0);
  return current - (cgroupFileValue(directory, 'memory.stat', 'inactive_file') ?? 0);
}

function usageSeconds(directory: string): number | undefined {
  const usageUs = cgroupFileValue(directory, 'cpu.stat', 'usage_usec');
  return usageUs === undefined ? undefined : usageUs / 1e6;
}

function availableOfMachine(procDirectory: string): number {
  const text = read(join(procDirectory, 'meminfo'));
  const [, kib] = /^MemAvailable:\s+(\d+) kB/m.exec(text) ?? [];
  return kib === undefined ? freemem() : Number(kib) * 1024;
}

/**
 * First line of /proc/stat (proc(5)): `cpu user nice system idle iowait irq softirq steal guest guest_nice`, in ticks; then
 * one line for each core.
 */
function machineTime(procDirectory: string): Pick<CpuTime, 'busySeconds' | 'cores'> {
  const [line = '', ...others] = read(join(procDirectory, 'stat')).split('\n');
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number);
  const cores = others.filter((other) => /^cpu\d/.test(other)).length;
  return { busySeconds: (user + nice + system + irq + softirq + steal) / TICKS_PER_SECOND, cores };
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
