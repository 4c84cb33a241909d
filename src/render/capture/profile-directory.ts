import { mkdir, readdir, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';

import { StreamKitError } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import { isOrphaned, ownedDirectoryName } from '../../base/owned-directory-name.js';
import { processesNaming, signalProcess } from '../../base/process-table.js';

const SHARED_MEMORY = '/dev/shm';
/** A profile takes about 20 MiB, and the ring four pictures. */
const PROFILE_BYTES = 64 * 1024 * 1024;
/** Of processes that are being ended; together two seconds. */
const MOST_LOOKS = 100;
const LOOK_INTERVAL_MS = 20;
/** Of processes that end by themselves; together ten seconds and more. */
const MOST_QUIET_LOOKS = 500;
/** With less a browser fails in ways that say nothing of the cause. */
const PROFILE_MIN_BYTES = 16 * 1024 * 1024;

/** Folders in which profiles may lie. */
function parents(): string[] {
  return [SHARED_MEMORY, tmpdir()];
}

async function hasRoom(folder: string, bytes: number): Promise<boolean> {
  try {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize >= bytes;
  } catch {
    return false;
  }
}

/**
 * Makes a directory for one browser's profile and its shared files: on tmpfs where that has room, since every
 * picture is written there, else in the temp directory.
 *
 * @throws StreamKitError `unavailable` where neither can be written to, or has room.
 */
export async function createProfileDirectory(ringBytes: number): Promise<string> {
  const name = ownedDirectoryName();
  let cause: unknown;
  for (const [parent, profileBytes] of [
    [SHARED_MEMORY, PROFILE_BYTES],
    [tmpdir(), PROFILE_MIN_BYTES],
  ] as const) {
    if (!(await hasRoom(parent, ringBytes + profileBytes))) continue;
    const path = join(parent, name);
    try {
      await mkdir(path, { mode: 0o700 });
      return path;
    } catch (error) {
      cause = error;
    }
  }
  const reason = cause === undefined ? 'has room' : 'can be written to';
  const message = `Neither shared memory nor the folder for temporary files ${reason} for a browser's profile`;
  throw new StreamKitError('unavailable', message, { cause });
}

/** Removes a profile, also when a dying browser is still writing into it. */
export async function removeProfileDirectory(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
}

/**
 * Ends every process whose command line names `directory`, and waits until they are gone: on a busy machine one that has
 * been killed may still make a folder.
 */
export async function killBrowsersOf(directory: string): Promise<void> {
  for (let looks = 0; looks < MOST_LOOKS; looks++) {
    const pids = await processesNaming(directory);
    if (pids.length === 0) return;
    for (const pid of pids) signalProcess(pid, 'SIGKILL');
    await setTimeout(LOOK_INTERVAL_MS);
  }
}

/** Waits until the last process whose command line names `directory` has ended by itself. @throws Error where one goes on. */
export async function untilNobodyNames(directory: string): Promise<void> {
  for (let looks = 0; looks < MOST_QUIET_LOOKS; looks++) {
    if ((await processesNaming(directory)).length === 0) return;
    await setTimeout(LOOK_INTERVAL_MS);
  }
  throw new Error('Helpers of the browser go on');
}

/**
 * Clears up after servers that were killed: profiles whose owner is gone, and browsers that still run in them.
 * Other users' folders are left alone, as are those of a living server.
 */
export async function sweepProfileDirectories(logger: Logger): Promise<void> {
  for (const parent of parents()) {
    const names = await readdir(parent).catch(() => []);
    for (const name of names) {
      if (!isOrphaned(name)) continue;
      const path = join(parent, name);
      await killBrowsersOf(path);
      try {
        await removeProfileDirectory(path);
        logger.info({ profile: name }, 'removed the profile of a server that is gone');
      } catch {
        logger.warn({ profile: name }, 'could not remove the profile of a server that is gone');
      }
    }
  }
}
