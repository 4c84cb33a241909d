import { randomBytes } from 'node:crypto';
import { linkSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { utimes } from 'node:fs/promises';

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
  static take(path: string): ProfileLock | undefined {
    const ticks = processStartTicks(process.pid) ?? '0';
    const owner = `${processNamespace()} ${process.pid} ${ticks} ${randomBytes(8).toString('hex')}`;
    const isTaken = create(path, owner) || (breakStale(path) && create(path, owner));
    return isTaken ? new ProfileLock(path, owner) : undefined;
  }

  /** Somebody has it. */
  static isHeld(path: string): boolean {
    const held = ownerOf(path);
    return held !== undefined && !isStale(path, held);
  }

  /** Removes it where its owner is gone. */
  static clear(path: string): void {
    breakStale(path);
  }

  /** Nobody has taken it away, as from a process that stood still for a minute. */
  get isOurs(): boolean {
    return ownerOf(this.#path) === this.#owner;
  }

  /** It is held still. */
  async beat(): Promise<void> {
    const now = new Date();
    if (this.isOurs) await utimes(this.#path, now, now).catch(() => undefined);
  }

  /** Idempotent. */
  release(): void {
    if (this.isOurs) rmSync(this.#path, { force: true });
  }
}

/** @returns false where there is one. */
function create(path: string, owner: string): boolean {
  try {
    writeFileSync(path, owner, { flag: 'wx', mode: 0o600 });
    return true;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw thrown;
  }
}

function ownerOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
}

function isStale(path: string, owner: string): boolean {
  const [, where, pid = '', startTicks = ''] = OWNER.exec(owner) ?? [];
  if (where === processNamespace()) return !isProcessAlive(Number(pid), startTicks);
  const { mtimeMs = Date.now() } = statSync(path, { throwIfNoEntry: false }) ?? {};
  return Date.now() - mtimeMs > LOCK_STALE_MS;
}

/** @returns whether there is none any more. Of several that try, none takes away what another has just taken. */
function breakStale(path: string): boolean {
  const owner = ownerOf(path);
  if (owner === undefined) return true;
  if (!isStale(path, owner)) return false;
  const aside = `${path}.${randomBytes(8).toString('hex')}`;
  try {
    renameSync(path, aside);
  } catch {
    return false;
  }
  const isRight = ownerOf(aside) === owner;
  try {
    if (!isRight) linkSync(aside, path);
  } catch {
    // A third one has it by now.
  }
  rmSync(aside, { force: true });
  return isRight;
}
