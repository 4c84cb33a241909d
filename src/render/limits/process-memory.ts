import { readdir, readFile } from 'node:fs/promises';

import { statFields } from '../../base/process-table.js';

/**
 * How much memory each of these processes takes together with all of its descendants, bytes, by pid. Files that can be
 * read again do not count.
 *
 * @param exactFromBytes - below it, shared memory may be counted once for each process that has it mapped.
 */
export type ProcessMemory = (
  pids: readonly number[],
  exactFromBytes: number,
) => Promise<ReadonlyMap<number, number>>;

/** From /proc; processes that end meanwhile count nothing. */
export const procMemory: ProcessMemory = async (pids, exactFromBytes) => {
  const children = await childrenByParent();
  const usage = new Map<number, number>();
  for (const pid of pids) {
    const tree = withDescendants(pid, children);
    const roughBytes = await sum(tree, 'status', ROUGH_FIELDS);
    // Exact is dear: the kernel walks all pages of a process for it.
    const bytes = roughBytes > exactFromBytes ? await sum(tree, 'smaps_rollup', EXACT_FIELDS) : roughBytes;
    usage.set(pid, bytes);
  }
  return usage;
};

const ROUGH_FIELDS = /^(?:RssAnon|RssShmem):\s+(\d+) kB$/gm;
const EXACT_FIELDS = /^(?:Pss_Anon|Pss_Shmem):\s+(\d+) kB$/gm;

async function sum(pids: readonly number[], file: string, fields: RegExp): Promise<number> {
  const texts = await Promise.all(pids.map((pid) => read(`/proc/${pid}/${file}`)));
  const kib = texts.flatMap((text) => [...text.matchAll(fields)].map(([, value]) => Number(value)));
  return kib.reduce((total, value) => total + value, 0) * 1024;
}

async function childrenByParent(): Promise<ReadonlyMap<number, readonly number[]>> {
  const children = new Map<number, number[]>();
  const pids = (await readdir('/proc').catch(() => [])).map(Number).filter(Number.isInteger);
  const stats = await Promise.all(pids.map((pid) => read(`/proc/${pid}/stat`)));
  for (const [index, stat] of stats.entries()) {
    const parent = Number(statFields(stat)[1]);
    const siblings = children.get(parent) ?? [];
    siblings.push(pids[index] ?? 0);
    children.set(parent, siblings);
  }
  return children;
}

function withDescendants(pid: number, children: ReadonlyMap<number, readonly number[]>): number[] {
  const found = [pid];
  for (const parent of found) found.push(...(children.get(parent) ?? []));
  return found;
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'latin1');
  } catch {
    return '';
  }
}
