import { totalmem } from 'node:os';

import type { CdpSession } from './cdp-connection.js';

/** V8 gives a page a quarter of the machine's memory, up to what its compressed pointers reach (`Heap::HeapSizeFromPhysicalMemory`). */
const HEAP_LIMIT_BYTES = Math.min(4 * 2 ** 30, totalmem() / 4);
/** One that has no more than this left collects garbage, again and again, and does nothing else. */
const FULL = 0.95;

/** Has to come before {@link hasFullHeap}. */
export async function watchHeap(cdp: CdpSession): Promise<void> {
  await cdp.send('Performance.enable');
}

/**
 * Whether V8 has filled all the memory that it would ever give the page. What WebAssembly, array buffers and pictures take is not
 * in it. Answers also while the page is busy: the browser interrupts its script for this one. Of a page that is busy in a
 * single call of the engine it does not answer before that has ended.
 */
export async function hasFullHeap(cdp: CdpSession): Promise<boolean> {
  const { metrics } = await cdp.send('Performance.getMetrics');
  const heap = metrics.find(({ name }) => name === 'JSHeapTotalSize');
  return (heap?.value ?? 0) >= FULL * HEAP_LIMIT_BYTES;
}
