import { readFileSync, readlinkSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { hostname } from 'node:os';

/** Reads of /proc: where it is missing, nothing is found, and callers fall back to what they know themselves. */

/** The fields of `/proc/[pid]/stat` behind the name of the command: state, parent, process group, session and on (proc(5)). */
export function statFields(stat: string): string[] {
  // The name may hold spaces and brackets; the fields begin behind the last bracket.
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

/** When process `pid` started, in clock ticks since boot, or undefined when there is no such process. */
export function processStartTicks(pid: number): string | undefined {
  try {
    return statFields(readFileSync(`/proc/${pid}/stat`, 'latin1'))[19];
  } catch {
    return undefined;
  }
}

/** The fields of {@link statFields} of every process that there is, by its pid. One that ends meanwhile may be missing. */
export async function processStats(): Promise<ReadonlyMap<number, readonly string[]>> {
  const pids = (await readdir('/proc').catch(() => [])).map(Number).filter(Number.isInteger);
  const stats = await Promise.all(
    pids.map(async (pid) => {
      const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '');
      return [pid, statFields(stat)] as const;
    }),
  );
  return new Map(stats.filter(([, fields]) => fields.length > 1));
}

/** @returns what gives a process and all that it has started, itself or through others, as far as they live. */
export function descendantsIn(
  stats: ReadonlyMap<number, readonly string[]>,
): (pid: number) => readonly number[] {
  const children = new Map<number, number[]>();
  for (const [child, fields] of stats) {
    const parent = Number(fields[1]);
    const siblings = children.get(parent);
    if (siblings === undefined) children.set(parent, [child]);
    else siblings.push(child);
  }
  return (pid) => {
    const found = [pid];
    for (const parent of found) found.push(...(children.get(parent) ?? []));
    return found;
  };
}

/** The processes whose command line has `needle` in it. */
export async function processesNaming(needle: string): Promise<number[]> {
  let entries: string[];
  try {
    entries = await readdir('/proc');
  } catch {
    return [];
  }
  const found: number[] = [];
  for (const entry of entries) {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    try {
      if ((await readFile(`/proc/${entry}/cmdline`, 'latin1')).includes(needle)) found.push(pid);
    } catch {
      // It ended between the listing and the look.
    }
  }
  return found;
}

/**
 * Whether process `pid` lives and began at `startTicks`; where that cannot be known, whether there is a process of this
 * number that may be signalled.
 */
export function isProcessAlive(pid: number, startTicks: string): boolean {
  const ticks = processStartTicks(pid);
  return ticks === undefined ? signalProcess(pid, 0) : ticks === startTicks;
}

/** Sends `signal`; a negative pid names a process group. @returns false when there is nobody to signal. */
export function signalProcess(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch {
    return false;
  }
}

/** Where ids of processes mean the same: two containers may have one host name, and each numbers processes of its own. */
export function processNamespace(): string {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
    return `${boot}/${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return hostname();
  }
}
