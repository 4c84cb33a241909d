import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';

import { cleanUp } from '../base/clean-up.js';
import type { Logger } from '../base/logger.js';
import { ownedDirectoryName } from '../base/owned-directory-name.js';
import type { ProfileSource } from './profile-lease.js';

/** Most bytes of one: more than any stored profile needs by default, since what is larger is lost. */
const MAX_BYTES = 1024 * 1024 * 1024;
const KEY_BYTES = 32;

/** What pages have stored of a session that moves, in a file of this server that goes with the session. It is encrypted with a key of its own. */
export class PassingProfile {
  readonly #directory: string;
  /** Where it is read from. */
  readonly source: ProfileSource;

  private constructor(directory: string, key: string) {
    this.#directory = directory;
    this.source = { path: join(directory, 'moved.profile'), key, maxBytes: MAX_BYTES, mustExist: true };
  }

  /** Makes the folder. The file is still to be written. */
  static async create(): Promise<PassingProfile> {
    const directory = join(tmpdir(), ownedDirectoryName());
    await mkdir(directory, { mode: 0o700 });
    return new PassingProfile(directory, randomBytes(KEY_BYTES).toString('base64'));
  }

  /**
   * Takes the file from another server.
   *
   * @param key - with which it is encrypted there.
   */
  static async receive(
    key: string,
    chunks: AsyncIterable<Uint8Array>,
    logger: Logger,
  ): Promise<PassingProfile> {
    const directory = join(tmpdir(), ownedDirectoryName());
    await mkdir(directory, { mode: 0o700 });
    const profile = new PassingProfile(directory, key);
    try {
      const file = await open(profile.source.path, 'wx', 0o600);
      try {
        for await (const chunk of chunks) await file.writeFile(chunk);
      } finally {
        await file.close();
      }
    } catch (thrown) {
      await cleanUp(profile.remove(), 'what was received of a profile', logger);
      throw thrown;
    }
    return profile;
  }

  read(): Readable {
    return createReadStream(this.source.path);
  }

  /** Idempotent. */
  async remove(): Promise<void> {
    await rm(this.#directory, { recursive: true, force: true });
  }
}
