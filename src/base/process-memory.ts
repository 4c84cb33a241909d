import { readFile } from 'node:fs/promises';

import { descendantsIn, processStats } from './process-table.js';

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
  const treeOf = descendantsIn(await processStats());
  const usage = new Map<number, number>();
  for (const pid of pids) {
    const tree = treeOf(pid);
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

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'latin1');
  } catch {
    return '';
  }
}
