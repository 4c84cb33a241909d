import { execFileSync } from 'node:child_process';

/**
 * Gives all threads of this process the usual scheduling policy (SCHED_OTHER, sched(7)), in case a library has taken a real-time one: such
 * a thread, and each process that it starts, comes before all others of the machine. By chrt of util-linux, which takes 3 ms.
 *
 * @throws Error if there is no chrt, or it is not permitted.
 */
export function leaveRealTimePolicy(): void {
  try {
    execFileSync('chrt', ['-a', '-o', '-p', '0', String(process.pid)], { stdio: 'ignore' });
  } catch (cause) {
    throw new Error('chrt, of util-linux, could not be run', { cause });
  }
}
