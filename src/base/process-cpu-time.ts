import { descendantsIn, processStats } from './process-table.js';

/** CPU time of each of these processes together with all of its descendants, also of those that have ended, seconds, by pid. */
export type ReadProcessCpuTimes = (pids: readonly number[]) => Promise<ReadonlyMap<number, number>>;

/** `USER_HZ`: the same on every Linux architecture that Node.js runs on. */
const TICKS_PER_SECOND = 100;
/** `utime`, `stime`, and those of children that were waited for (proc(5)). */
const TIME_FIELDS = [11, 12, 13, 14] as const;

/** From /proc. A process that is not there has no entry. */
export const procCpuTimes: ReadProcessCpuTimes = async (pids) => {
  const stats = await processStats();
  const treeOf = descendantsIn(stats);
  const times = pids
    .filter((pid) => stats.has(pid))
    .map((pid) => {
      const fields = treeOf(pid).map((one) => stats.get(one) ?? []);
      const ticks = fields.flatMap((own) => TIME_FIELDS.map((field) => Number(own[field] ?? 0)));
      return [pid, ticks.reduce((sum, value) => sum + value, 0) / TICKS_PER_SECOND] as const;
    });
  return new Map(times);
};
