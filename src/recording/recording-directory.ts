import { accessSync, constants } from 'node:fs';
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

import { asError, StreamKitError } from '../base/errors.js';
import { makeDirectorySync } from '../base/make-directory.js';

/** A session, a recording of it, a file of that. All of it is named by the server: v4 UUIDs and a number. */
const FILE_NAME = /^[\da-f-]{36}_[\da-f-]{36}_\d+\.(?:mp4|webm)$/;

/** The directory in which recordings are kept. */
export class RecordingDirectory {
  readonly #path: string;

  /**
   * Makes the directory if it is missing.
   *
   * @throws StreamKitError `bad_option` when no file can be written there.
   */
  constructor(path: string) {
    this.#path = path;
    try {
      makeDirectorySync(path);
      accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
    } catch (thrown) {
      const message = `Expected writable directory for recording.directory but received ${JSON.stringify(path)}`;
      throw new StreamKitError('bad_option', message, { cause: asError(thrown) });
    }
  }

  /** Path of a recording's files, up to their number. */
  pathPrefix(streamId: string, recordingId: string): string {
    return join(this.#path, `${streamId}_${recordingId}_`);
  }

  /**
   * Bytes of all recordings in it, those of other runs included.
   *
   * @throws StreamKitError `recording_failed` when it cannot be read.
   */
  async countBytes(): Promise<number> {
    try {
      const names = (await readdir(this.#path)).filter((name) => FILE_NAME.test(name));
      // A file may go while it is counted.
      const sizes = names.map((name) =>
        stat(join(this.#path, name)).then(
          ({ size }) => size,
          () => 0,
        ),
      );
      return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
    } catch (thrown) {
      const cause = asError(thrown);
      throw new StreamKitError('recording_failed', 'The directory for recordings cannot be read', { cause });
    }
  }

  /** @throws StreamKitError `recording_failed` */
  async remove(paths: readonly string[]): Promise<void> {
    try {
      await Promise.all(paths.map((path) => rm(path, { force: true })));
    } catch (thrown) {
      const cause = asError(thrown);
      throw new StreamKitError('recording_failed', 'The files could not be removed', { cause });
    }
  }
}
