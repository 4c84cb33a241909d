import { randomBytes } from 'node:crypto';

import { isProcessAlive, processStartTicks } from './process-table.js';

/** `stream-kit-<pid of the owner>-<its start, ticks>-<random>`: the name tells whether the owner still lives. */
const NAME_PATTERN = /^stream-kit-(\d+)-(\d+)-[0-9a-f]{16}$/;

/** A name for a directory that goes with this process: whoever finds it knows whether this process still lives. */
export function ownedDirectoryName(): string {
  const start = processStartTicks(process.pid) ?? '0';
  return `stream-kit-${process.pid}-${start}-${randomBytes(8).toString('hex')}`;
}

/** Whether a directory of this name was a process's that is gone. */
export function isOrphaned(name: string): boolean {
  const [, pid, startTicks] = NAME_PATTERN.exec(name) ?? [];
  return pid !== undefined && startTicks !== undefined && !isProcessAlive(Number(pid), startTicks);
}
