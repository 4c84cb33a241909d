import { readFile } from 'node:fs/promises';
import { totalmem } from 'node:os';

import { processesNaming } from '../../base/process-table.js';

/** V8 gives a page a quarter of the machine's memory, up to what its compressed pointers reach (`Heap::HeapSizeFromPhysicalMemory`). */
const HEAP_LIMIT_BYTES = Math.min(4 * 2 ** 30, totalmem() / 4);
/** One that has no more than this left collects garbage, again and again, and does nothing else. */
const FULL = 0.95;

/** Whether a renderer of the browser has all the memory that V8 would ever give it. Without /proc it is not known: false. */
export async function hasFullRenderer(profileDirectory: string): Promise<boolean> {
  const pids = await processesNaming(profileDirectory);
  const bytes = await Promise.all(pids.map((pid) => rendererBytes(pid)));
  return Math.max(0, ...bytes) >= FULL * HEAP_LIMIT_BYTES;
}

/** Memory of its own, bytes; of what is no renderer, or has gone: 0. */
async function rendererBytes(pid: number): Promise<number> {
  try {
    if (!(await readFile(`/proc/${pid}/cmdline`, 'latin1')).includes('--type=renderer')) return 0;
    const [, kib = 0] = /^RssAnon:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'latin1')) ?? [];
    return Number(kib) * 1024;
  } catch {
    return 0;
  }
}
