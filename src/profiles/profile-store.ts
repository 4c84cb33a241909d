import { createHash, hkdfSync } from 'node:crypto';
import { accessSync, constants } from 'node:fs';
import { lstat, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

import type { Clock, Timer } from '../base/clock.js';
import { asError, StreamKitError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { makeDirectorySync } from '../base/make-directory.js';
import { isOrphaned, ownedDirectoryName } from '../base/owned-directory-name.js';
import { SerialQueue } from '../base/serial-queue.js';
import type { ResolvedProfileOptions } from '../options/profile-options.js';
import type { ProfileInfo } from '../protocol/profiles.js';
import { ArchiveReader, ArchiveWriter } from './profile-archive.js';
import {
  EMPTY_STATE,
  MAX_STATE_BYTES,
  parseProfileState,
  type ProfileState,
  STATE_ENTRY,
} from './profile-state.js';
import { LOCK_BEAT_MS, ProfileLock } from './profile-lock.js';
import type { ProfileLease, ProfileSource } from './profile-lease.js';

const PROFILE_ID = /^[\w-]{1,64}$/;
const SUFFIX = '.profile';
const LOCK_SUFFIX = '.lock';
const MAX_WAITING_READS = 16;
const MAX_WAITING_OPENINGS = 256;

export function isProfileId(value: unknown): value is string {
  return typeof value === 'string' && PROFILE_ID.test(value);
}

export interface ProfileStoreParameters {
  readonly options: ResolvedProfileOptions;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * The profiles in one directory: a folder for each owner, named by a digest, and in it one file for each profile. A file is only ever
 * replaced as a whole.
 */
export class ProfileStore {
  readonly #options: ResolvedProfileOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #locks = new Set<ProfileLock>();
  #beating: Timer | undefined;
  readonly #swept: Promise<void>;
  /** Reading one takes this process some of its time. */
  readonly #reads = new SerialQueue({
    most: MAX_WAITING_READS,
    sentence: 'Too many profiles are being read',
  });
  /** One after the other, so that each counts those before it. */
  readonly #openings = new SerialQueue({
    most: MAX_WAITING_OPENINGS,
    sentence: 'Too many profiles are being opened',
  });

  /**
   * Makes the directory if it is missing, and clears up after servers that were killed while they stored a profile.
   *
   * @throws StreamKitError `bad_option` when no file can be written there.
   */
  constructor({ options, clock, logger }: ProfileStoreParameters) {
    this.#options = options;
    this.#clock = clock;
    this.#logger = logger;
    const { path } = options;
    try {
      makeDirectorySync(path);
      accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
    } catch (thrown) {
      const message = `Expected writable directory for profileDirectory but received ${JSON.stringify(path)}`;
      throw new StreamKitError('bad_option', message, { cause: asError(thrown) });
    }
    this.#swept = this.#sweep().catch((thrown: unknown) => {
      logger.warn({ err: asError(thrown) }, 'the directory of profiles could not be cleared up');
    });
  }

  /** Most bytes of one profile. */
  get maxBytes(): number {
    return this.#options.maxBytes;
  }

  /**
   * Takes a profile for a session.
   *
   * @param owner - whose profiles they are: nobody else finds them.
   * @throws StreamKitError `bad_request` for the id, `no_such_profile` where there is none and none is to be made, `profile_in_use` where
   * another session is going to store it, `limit_reached`, `at_capacity`.
   */
  async open(
    owner: string,
    { id, save }: { readonly id: string; readonly save: boolean },
  ): Promise<ProfileLease> {
    if (!isProfileId(id)) {
      throw new StreamKitError('bad_request', 'Expected 1 to 64 letters, digits, - and _ for profile.id');
    }
    return this.#openings.run(() => this.#open(owner, id, save));
  }

  async #open(owner: string, id: string, save: boolean): Promise<ProfileLease> {
    const { path, folder } = this.#place(owner, id);
    const exists = await isFile(path);
    const source: ProfileSource = {
      path,
      maxBytes: this.maxBytes,
      mustExist: !save,
      ...this.#keyOf(owner, id),
    };
    if (!save) {
      if (!exists) throw noSuchProfile();
      return { id, save, source, store: () => Promise.resolve(), release: () => Promise.resolve() };
    }
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const lock = await this.#lock(path);
    try {
      if (!exists) await this.#ensureRoom(folder, id);
    } catch (thrown) {
      await this.#release(lock);
      throw thrown;
    }
    return {
      id,
      save,
      source,
      store: (pack) => this.#replace(path, lock, pack),
      release: () => this.#release(lock),
    };
  }

  /** By name. */
  async list(owner: string): Promise<ProfileInfo[]> {
    const folder = this.#folder(owner);
    const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith(SUFFIX)).sort();
    const found = await Promise.all(
      names.map(async (name): Promise<ProfileInfo[]> => {
        const id = name.slice(0, -SUFFIX.length);
        const stats = await lstat(join(folder, name)).catch(() => undefined);
        if (!isProfileId(id) || stats?.isFile() !== true) return [];
        const inUse = await ProfileLock.isHeld(this.#lockPath(join(folder, name)));
        return [{ id, bytes: stats.size, savedAt: Math.round(stats.mtimeMs), inUse }];
      }),
    );
    return found.flat();
  }

  /**
   * Deletes a profile. Sessions that began with it go on.
   *
   * @throws StreamKitError `no_such_profile`, `profile_in_use`.
   */
  async remove(owner: string, id: string): Promise<void> {
    const { path } = await this.#existing(owner, id);
    const lock = await this.#lock(path);
    try {
      await rm(path, { force: true });
    } finally {
      await this.#release(lock);
    }
  }

  /**
   * What of a stored profile is no file of the browser's.
   *
   * @throws StreamKitError `no_such_profile`, `profile_failed`, `at_capacity`.
   */
  readState(owner: string, id: string): Promise<ProfileState> {
    return this.#reads.run(() => this.#readState(owner, id));
  }

  async #readState(owner: string, id: string): Promise<ProfileState> {
    const { path, key, maxBytes } = await this.source(owner, id);
    const reader = await ArchiveReader.open(path, archiveKey(key), maxBytes);
    if (reader === undefined) throw noSuchProfile();
    try {
      let state = EMPTY_STATE;
      // To its end: before that nothing of it is to be trusted.
      for (let entry = await reader.next(); entry !== undefined; entry = await reader.next()) {
        if (entry.name === STATE_ENTRY && entry.size > MAX_STATE_BYTES)
          throw new StreamKitError('profile_failed', 'The profile cannot be read: it is damaged');
        if (entry.name === STATE_ENTRY) state = parseProfileState(await reader.take(entry.size));
        else for await (const chunk of reader.chunks(entry)) void chunk;
      }
      return state;
    } finally {
      await reader.close();
    }
  }

  /**
   * Stores a profile that has nothing but this; what was stored before is gone.
   *
   * @throws StreamKitError `bad_request` for the id, `profile_in_use`, `limit_reached`, `too_large`, `disk_full`.
   */
  async writeState(owner: string, id: string, state: ProfileState): Promise<void> {
    const lease = await this.open(owner, { id, save: true });
    try {
      await lease.store(async (path) => {
        const writer = await ArchiveWriter.create(path, archiveKey(lease.source.key), this.maxBytes);
        try {
          await writer.addBytes(STATE_ENTRY, Buffer.from(JSON.stringify(state)));
          await writer.finish();
        } catch (thrown) {
          await writer.abandon();
          throw thrown;
        }
      });
    } finally {
      await lease.release();
    }
  }

  /**
   * Where a stored profile is read from.
   *
   * @throws StreamKitError `no_such_profile`.
   */
  async source(owner: string, id: string): Promise<ProfileSource> {
    const { path } = await this.#existing(owner, id);
    return { path, maxBytes: this.maxBytes, mustExist: true, ...this.#keyOf(owner, id) };
  }

  async #existing(owner: string, id: string): Promise<{ readonly path: string }> {
    // A path comes of nothing that is not an id.
    if (!isProfileId(id)) throw noSuchProfile();
    const place = this.#place(owner, id);
    if (!(await isFile(place.path))) throw noSuchProfile();
    return place;
  }

  /** `pack` writes the new archive to a path beside the old one, which it replaces when it is whole. */
  async #replace(path: string, lock: ProfileLock, pack: (path: string) => Promise<void>): Promise<void> {
    const partial = `${path}.${ownedDirectoryName()}`;
    try {
      await pack(partial);
      const { size } = await lstat(partial);
      const replaced = await lstat(path).then(
        (stats) => stats.size,
        () => 0,
      );
      const total = (await this.#countBytes()) - replaced + size;
      if (total > this.#options.maxTotalBytes) {
        throw new StreamKitError('limit_reached', 'All profiles together are as large as they may be');
      }
      if (!(await lock.isOurs())) throw inUse();
      await rename(partial, path);
    } finally {
      await rm(partial, { force: true });
    }
  }

  /** Of each profile, so that a session process learns no other one's. */
  #keyOf(owner: string, id: string): { readonly key?: string } {
    const { key } = this.#options;
    if (key === undefined) return {};
    const info = `stream-kit profile ${JSON.stringify([owner, id])}`;
    const derived = hkdfSync('sha256', key, new Uint8Array(), createHash('sha256').update(info).digest(), 32);
    return { key: Buffer.from(derived).toString('base64') };
  }

  #folder(owner: string): string {
    return join(this.#options.path, createHash('sha256').update(owner).digest('hex').slice(0, 40));
  }

  #place(owner: string, id: string): { readonly path: string; readonly folder: string } {
    const folder = this.#folder(owner);
    return { folder, path: join(folder, `${id}${SUFFIX}`) };
  }

  #lockPath(path: string): string {
    return `${path}${LOCK_SUFFIX}`;
  }

  /** @throws StreamKitError `profile_in_use`, `profile_failed`. */
  async #lock(path: string): Promise<ProfileLock> {
    // What breaks the lock of somebody who is gone is not to meet one that is taken.
    await this.#swept;
    let lock: ProfileLock | undefined;
    try {
      lock = await ProfileLock.take(this.#lockPath(path));
    } catch (thrown) {
      throw new StreamKitError('profile_failed', 'The profile cannot be stored', { cause: asError(thrown) });
    }
    if (lock === undefined) throw inUse();
    this.#locks.add(lock);
    this.#beating ??= this.#clock.every(LOCK_BEAT_MS, () => {
      for (const held of this.#locks) void held.beat();
    });
    return lock;
  }

  /** It is held no more when this resolves, unless the disk fails: then others wait until this process is gone. */
  async #release(lock: ProfileLock): Promise<void> {
    this.#locks.delete(lock);
    await lock.release().catch((thrown: unknown) => {
      this.#logger.warn({ err: asError(thrown) }, 'the lock of a profile cannot be removed');
    });
    if (this.#locks.size > 0) return;
    this.#beating?.cancel();
    this.#beating = undefined;
  }

  /** Counts those that are about to be made as well. @throws StreamKitError `limit_reached`. */
  async #ensureRoom(folder: string, id: string): Promise<void> {
    const others = new Set<string>();
    for (const name of await readdir(folder)) {
      const isOne =
        name.endsWith(SUFFIX) ||
        (name.endsWith(`${SUFFIX}${LOCK_SUFFIX}`) && (await ProfileLock.isHeld(join(folder, name))));
      if (isOne) others.add(name.slice(0, name.indexOf(SUFFIX)));
    }
    others.delete(id);
    if (others.size < this.#options.maxPerCaller) return;
    throw new StreamKitError('limit_reached', 'This caller has as many profiles as it may');
  }

  async #countBytes(): Promise<number> {
    const { path } = this.#options;
    let sum = 0;
    for (const folder of await readdir(path).catch(() => [])) {
      for (const name of await readdir(join(path, folder)).catch(() => [])) {
        if (!name.endsWith(SUFFIX)) continue;
        // One may go while it is counted.
        sum += await lstat(join(path, folder, name)).then(
          ({ size }) => size,
          () => 0,
        );
      }
    }
    return sum;
  }

  /** What a server was writing when it was killed, and its locks. Another machine may write here as well. */
  async #sweep(): Promise<void> {
    const { path } = this.#options;
    for (const folder of await readdir(path).catch(() => [])) {
      for (const name of await readdir(join(path, folder)).catch(() => [])) {
        if (name.endsWith(`${SUFFIX}${LOCK_SUFFIX}`)) await ProfileLock.clear(join(path, folder, name));
        const [, profile, owned] = /^(.*\.profile)\.(stream-kit-.*)$/.exec(name) ?? [];
        if (profile === undefined || owned === undefined || !isOrphaned(owned)) continue;
        if (await ProfileLock.isHeld(this.#lockPath(join(path, folder, profile)))) continue;
        await rm(join(path, folder, name), { force: true }).catch((thrown: unknown) => {
          this.#logger.warn(
            { err: asError(thrown) },
            'a profile that was not stored whole cannot be removed',
          );
        });
      }
    }
  }
}

function archiveKey(key: string | undefined): Uint8Array | undefined {
  return key === undefined ? undefined : Buffer.from(key, 'base64');
}

async function isFile(path: string): Promise<boolean> {
  const stats = await lstat(path).catch(() => undefined);
  return stats?.isFile() === true;
}

function noSuchProfile(): StreamKitError {
  return new StreamKitError('no_such_profile', 'There is no such profile');
}

function inUse(): StreamKitError {
  return new StreamKitError('profile_in_use', 'Another session is going to store this profile');
}
