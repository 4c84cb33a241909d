import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { setPriority } from 'node:os';
import { setTimeout } from 'node:timers/promises';

import { statFields } from './process-table.js';

/** Without a privilege, Linux lets all of us together set one group per 100 ms. */
const GROUP_RETRY_MS = 100;
const GROUP_ATTEMPTS = 10;
const MAX_NICENESS = 19;

/**
 * Sets the niceness of a process, of what it starts from then on, and, if it leads a session, of its autogroup: where the
 * kernel groups processes by session, niceness counts only inside a group (sched(7)).
 *
 * @throws Error if that is not permitted.
 */
export function setNiceness(pid: number, niceness: number): void {
  setPriority(pid, niceness);
  void setGroupNiceness(pid, niceness);
}

/**
 * Sets the niceness of the autogroup of a process that leads a session, and of nothing else. It takes no privilege to make it
 * less nice again, down to 0. Resolves also where that is not possible.
 *
 * @param niceness - at most 19; more counts as 19.
 */
export async function setGroupNiceness(pid: number, niceness: number): Promise<void> {
  if (leadsSession(pid)) await setAutogroupNiceness(pid, Math.min(MAX_NICENESS, niceness));
}

function leadsSession(pid: number): boolean {
  try {
    return statFields(readFileSync(`/proc/${pid}/stat`, 'latin1'))[3] === String(pid);
  } catch {
    return false;
  }
}

async function setAutogroupNiceness(pid: number, niceness: number): Promise<void> {
  for (let attempt = 0; attempt < GROUP_ATTEMPTS; attempt++) {
    try {
      await writeFile(`/proc/${pid}/autogroup`, String(niceness));
      return;
    } catch (error) {
      // This kernel has no such groups, the process has ended, or others were first.
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) return;
    }
    await setTimeout(GROUP_RETRY_MS);
  }
}
