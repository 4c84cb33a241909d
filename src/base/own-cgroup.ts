import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** Where this process is in the cgroup v2 hierarchy (cgroups(7)). */
export interface OwnCgroup {
  /** Where the hierarchy is mounted. */
  readonly mountPoint: string;
  /** The folder of the cgroup of this process, at or below `mountPoint`. */
  readonly directory: string;
}

/** @returns undefined where no cgroup v2 hierarchy is mounted, or this process is outside of what is mounted. */
export function findOwnCgroup(procDirectory = '/proc'): OwnCgroup | undefined {
  const mount = readLines(join(procDirectory, 'self/mountinfo'))
    .map(parseMount)
    .find((candidate) => candidate !== undefined);
  const entry = readLines(join(procDirectory, 'self/cgroup')).find((line) => line.startsWith('0::'));
  if (mount === undefined || entry === undefined) return undefined;
  const path = entry.slice('0::'.length);
  const { root, mountPoint } = mount;
  // Without a cgroup namespace, a container sees its own part of the hierarchy mounted, but the whole path.
  const below = root === '/' ? path : path.slice(root.length);
  if ((root !== '/' && path !== root && !path.startsWith(`${root}/`)) || below.includes('..'))
    return undefined;
  return { mountPoint, directory: resolve(mountPoint, `.${below}`) };
}

/** The contents of a cgroup's file, trimmed; undefined where there is none, for example in the root cgroup. */
export function readCgroupFile(directory: string, name: string): string | undefined {
  try {
    return readFileSync(join(directory, name), 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** The number after `key` in a flat keyed file such as `memory.events`; undefined where it is missing. */
export function cgroupFileValue(directory: string, name: string, key: string): number | undefined {
  const line = readCgroupFile(directory, name)
    ?.split('\n')
    .find((candidate) => candidate.startsWith(`${key} `));
  return line === undefined ? undefined : Number(line.slice(key.length + 1));
}

/** One line of mountinfo (proc(5)): `id parent major:minor root mountPoint options [tags…] - type source superOptions`. */
function parseMount(line: string): { root: string; mountPoint: string } | undefined {
  const [mount = '', filesystem = ''] = line.split(' - ');
  if (!filesystem.startsWith('cgroup2 ')) return undefined;
  const [, , , root, mountPoint] = mount.split(' ');
  return root === undefined || mountPoint === undefined ? undefined : { root, mountPoint };
}

function readLines(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split('\n');
  } catch {
    return [];
  }
}
