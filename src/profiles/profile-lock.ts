import { randomBytes } from 'node:crypto';
import { link, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';

import { isProcessAlive, processNamespace, processStartTicks } from '../base/process-table.js';

/** How often its owner says that a lock is held, and how old that may be before the owner counts as gone, ms. */
export const LOCK_BEAT_MS = 15_000;
const LOCK_STALE_MS = 60_000;

/** `<machine> <pid> <start of the process, ticks> <random>`. */
const OWNER = /^(\S+) (\d{1,10}) (\d{1,20}) [\da-f]{16}$/;

/**
 * Keeps a second writer away from one file, in this and in other processes. A process of this machine loses its locks when it is gone, one of
 * another machine or container when it has not said for a minute that it lives.
 */
export class ProfileLock {
  readonly #path: string;
  readonly #owner: string;

  private constructor(path: string, owner: string) {
    this.#path = path;
    this.#owner = owner;
  }

  /** @returns undefined where somebody else has it. */
  static async take(path: string): Promise<ProfileLock | undefined> {
    const ticks = processStartTicks(process.pid) ?? '0';
    const owner = `${processNamespace()} ${process.pid} ${ticks} ${randomBytes(8).toString('hex')}`;
    const isTaken = (await create(path, owner)) || ((await breakStale(path)) && (await create(path, owner)));
    return isTaken ? new ProfileLock(path, owner) : undefined;
  }

  /** Somebody has it. */
  static async isHeld(path: string): Promise<boolean> {
    const held = await ownerOf(path);
    return held !== undefined && !(await isStale(path, held));
  }

  /** Removes it where its owner is gone. */
  static async clear(path: string): Promise<void> {
    await breakStale(path);
  }

  /** Nobody has taken it away, as from a process that stood still for a minute. */
  async isOurs(): Promise<boolean> {
    return (await ownerOf(this.#path)) === this.#owner;
  }

  /** It is held still. */
  async beat(): Promise<void> {
    const now = new Date();
    if (await this.isOurs()) await utimes(this.#path, now, now).catch(() => undefined);
  }

  /** Idempotent. */
  async release(): Promise<void> {
    if (await this.isOurs()) await rm(this.#path, { force: true });
  }
}

/** @returns false where there is one. */
async function create(path: string, owner: string): Promise<boolean> {
  try {
    await writeFile(path, owner, { flag: 'wx', mode: 0o600 });
    return true;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw thrown;
  }
}

async function ownerOf(path: string): Promise<string | undefined> {
  return readFile(path, 'latin1').catch(() => undefined);
}

async function isStale(path: string, owner: string): Promise<boolean> {
  const [, where, pid = '', startTicks = ''] = OWNER.exec(owner) ?? [];
  if (where === processNamespace()) return !isProcessAlive(Number(pid), startTicks);
  const stats = await stat(path).catch(() => undefined);
  return stats !== undefined && Date.now() - stats.mtimeMs > LOCK_STALE_MS;
}

/** @returns whether there is none any more. Of several that try, none takes away what another has just taken. */
async function breakStale(path: string): Promise<boolean> {
  const owner = await ownerOf(path);
  if (owner === undefined) return true;
  if (!(await isStale(path, owner))) return false;
  const aside = `${path}.${randomBytes(8).toString('hex')}`;
  try {
    await rename(path, aside);
  } catch (thrown) {
    // Another one has just broken it: who makes the next lock has it.
    return (thrown as NodeJS.ErrnoException).code === 'ENOENT';
  }
  const isRight = (await ownerOf(aside)) === owner;
  // Where that fails, a third one has it by now.
  if (!isRight) await link(aside, path).catch(() => undefined);
  await rm(aside, { force: true });
  return isRight;
}
