import { readdir, readFile } from 'node:fs/promises';

import { statFields } from '../base/process-table.js';

/** A process, told from a later one of the same number by when it started. */
export interface ProcessMark {
  readonly pid: number;
  readonly startTime: string;
}

/** The processes of the session (setsid(2)) that a process leads; of Linux, elsewhere none are found. */
export async function processSession(leader: number): Promise<ProcessMark[]> {
  const names = await readdir('/proc').catch(() => []);
  const pids = names.filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(pids.map((pid) => markOf(pid, leader)));
  return found.filter((mark) => mark !== undefined);
}

/** Those of them that are still there. */
export async function stillRunning(marks: readonly ProcessMark[], leader: number): Promise<ProcessMark[]> {
  const now = await Promise.all(marks.map(({ pid }) => markOf(pid, leader)));
  return marks.filter(({ startTime }, index) => now[index]?.startTime === startTime);
}

/** Kills those that are still the same processes. */
export async function killMarked(marks: readonly ProcessMark[], leader: number): Promise<void> {
  for (const { pid } of await stillRunning(marks, leader)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended meanwhile.
    }
  }
}

async function markOf(pid: number, leader: number): Promise<ProcessMark | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '');
  const fields = statFields(stat);
  const [state, session, startTime] = [fields[0], fields[3], fields[19]];
  const lives = startTime !== undefined && state !== 'Z' && Number(session) === leader;
  return lives ? { pid, startTime } : undefined;
}
