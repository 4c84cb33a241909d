import { execFileSync } from 'node:child_process';

const TIMEOUT_MS = 2_000;
/** A thread that ends while chrt goes over them all makes it fail. */
const ATTEMPTS = 2;

let isPossible = false;

/** @throws as {@link leaveRealTimePolicy} would. Tried until it works, which then holds for the process. */
export function checkLeavingRealTimePolicy(): void {
  if (isPossible) return;
  leaveRealTimePolicy();
  isPossible = true;
}

/**
 * Gives all threads of this process the usual scheduling policy (SCHED_OTHER, sched(7)), in case a library has taken a real-time one: such
 * a thread, and each process that it starts, preempts everything else on the machine. Does nothing unless the process is root's on
 * Linux, since only then can a library take one. Runs chrt (util-linux), which takes 3 ms.
 *
 * @throws Error if chrt is missing or fails.
 */
export function leaveRealTimePolicy(): void {
  if (process.platform !== 'linux' || process.geteuid?.() !== 0) return;
  for (let attempt = 1; ; attempt++) {
    try {
      execFileSync('chrt', ['-a', '-o', '-p', '0', String(process.pid)], {
        stdio: 'ignore',
        timeout: TIMEOUT_MS,
      });
      return;
    } catch (cause) {
      if (attempt === ATTEMPTS) throw new Error('chrt, of util-linux, could not be run', { cause });
    }
  }
}
