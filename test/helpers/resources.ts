import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { PATIENCE_MS } from './patience.js';

/** What the process holds. */
export interface ResourcesInUse {
  /** How many there are of each kind that keeps the process alive: sockets, servers, timers. */
  readonly handles: Readonly<Record<string, number>>;
  readonly heapBytes: number;
}

/** After garbage was collected. */
export async function resourcesInUse(): Promise<ResourcesInUse> {
  setFlagsFromString('--expose_gc');
  const collect = runInNewContext('gc') as () => void;
  await new Promise((resolve) => setImmediate(resolve));
  collect();
  const handles: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) handles[kind] = (handles[kind] ?? 0) + 1;
  return { handles, heapBytes: process.memoryUsage().heapUsed };
}

/** What the process holds once it holds no more than before, or what it still does after a while. */
export async function resourcesLeft(before: ResourcesInUse): Promise<ResourcesInUse> {
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    const now = await resourcesInUse();
    if (extraHandles(now, before).length === 0 || performance.now() > end) return now;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** The kinds of which there are more than before. */
export function extraHandles(
  { handles: now }: ResourcesInUse,
  { handles: before }: ResourcesInUse,
): string[] {
  return Object.entries(now).flatMap(([kind, count]) =>
    count > (before[kind] ?? 0) ? `${kind} ${count}` : [],
  );
}
