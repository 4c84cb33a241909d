import { randomUUID } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { asError, StreamKitError } from '../base/errors.js';
import { cleanFileName } from '../base/file-name.js';
import type { Logger } from '../base/logger.js';
import { ownedDirectoryName } from '../base/owned-directory-name.js';
import type { ResolvedFileOptions } from '../options/file-options.js';
import type { PageEvent } from '../protocol/page-events.js';
import type { SessionFile } from '../protocol/session-file.js';
import type { CaptureFiles } from '../render/capture/capture.js';

/** Uploads on the way at once, of one session; one more is refused. */
const MAX_INCOMING = 4;
/** Gives the name and the bytes of a file. */
type ReadFile = (maxBytes: number) => Promise<{
  readonly name: string | undefined;
  readonly chunks: AsyncIterable<Uint8Array>;
}>;
const FILE_ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/**
 * The files of one session: those that viewers give to the page, and those that the page gives to viewers. They are in a
 * folder of their own, under names that are never a client's path, and go with the session.
 */
export class SessionFiles {
  readonly #options: ResolvedFileOptions;
  readonly #logger: Logger;
  readonly #directory = join(tmpdir(), ownedDirectoryName());
  /** Oldest first, as are {@link #downloads}. */
  readonly #uploads = new Map<string, SessionFile>();
  readonly #downloads = new Map<string, SessionFile>();
  #incoming = 0;
  #hasDirectory = false;
  #closed = false;

  constructor(options: ResolvedFileOptions, logger: Logger) {
    this.#options = options;
    this.#logger = logger;
  }

  /** What the page's process has to know. */
  get capture(): CaptureFiles {
    const { uploads, downloads, maxBytes } = this.#options;
    return { directory: this.#directory, uploads, downloads, maxBytes };
  }

  /**
   * Takes a file for the page.
   *
   * @param read - gives its name, which is hostile, and its bytes, of which it may have as many.
   * @throws StreamKitError `forbidden` without the option, `at_capacity`, `too_large`, `disk_full`, `conflict` after the end,
   * or what reading throws.
   */
  async upload(read: ReadFile): Promise<SessionFile> {
    this.#checkOpen();
    if (!this.#options.uploads) throw new StreamKitError('forbidden', 'Pages take no files on this server');
    if (this.#incoming >= MAX_INCOMING) {
      const headers = { 'Retry-After': '1' };
      throw new StreamKitError('at_capacity', 'Too many files are being uploaded', { headers });
    }
    this.#incoming += 1;
    try {
      return await this.#receive(randomUUID(), read);
    } finally {
      this.#incoming -= 1;
    }
  }

  /** What the page has downloaded and is still there, oldest first. */
  list(): SessionFile[] {
    return [...this.#downloads.values()];
  }

  /** @throws StreamKitError `no_such_file`. */
  get(fileId: string): SessionFile & { readonly path: string } {
    const file = this.#downloads.get(fileId);
    if (file === undefined) throw new StreamKitError('no_such_file', 'There is no such file');
    return { ...file, path: this.#downloadPath(file) };
  }

  /** The page's process reports a download. What it says is not trusted. */
  onDownload({ fileId, name, state, bytes }: Extract<PageEvent, { type: 'download' }>): void {
    if (this.#closed || !this.#options.downloads || state !== 'finished' || !FILE_ID.test(fileId)) return;
    this.#downloads.set(fileId, { fileId, name: cleanFileName(name), bytes });
    this.#makeRoom(this.#downloads, (file) => this.#downloadPath(file));
  }

  /** Deletes all of them. Uploads on the way are given up with their next piece. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#uploads.clear();
    this.#downloads.clear();
    if (!this.#options.downloads && !this.#hasDirectory) return;
    await this.#remove(this.#directory);
  }

  async #receive(fileId: string, read: ReadFile): Promise<SessionFile> {
    const incoming = join(this.#directory, 'incoming', fileId);
    let bytes = 0;
    let name: string;
    this.#hasDirectory = true;
    try {
      await mkdir(join(this.#directory, 'incoming'), { recursive: true, mode: 0o700 });
      const file = await open(incoming, 'wx', 0o600);
      try {
        const given = await read(this.#options.maxBytes);
        name = cleanFileName(given.name ?? '');
        for await (const chunk of given.chunks) {
          this.#checkOpen();
          bytes += chunk.byteLength;
          await file.appendFile(chunk);
        }
      } finally {
        await file.close();
      }
      // The page sees the name of the file, so each has a folder of its own.
      const folder = join(this.#directory, 'uploads', fileId);
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await rename(incoming, join(folder, name));
      this.#checkOpen();
    } catch (thrown) {
      await this.#remove(this.#closed ? this.#directory : incoming);
      this.#checkOpen();
      throw asStorageError(thrown);
    }
    const file = { fileId, name, bytes };
    this.#uploads.set(fileId, file);
    this.#makeRoom(this.#uploads, ({ fileId: id }) => join(this.#directory, 'uploads', id));
    return file;
  }

  /** The oldest go. */
  #makeRoom(files: Map<string, SessionFile>, pathOf: (file: SessionFile) => string): void {
    const { maxBytes, maxFiles } = this.#options;
    let total = [...files.values()].reduce((sum, { bytes }) => sum + bytes, 0);
    for (const file of files.values()) {
      if (files.size <= 1 || (files.size <= maxFiles && total <= maxBytes)) return;
      files.delete(file.fileId);
      total -= file.bytes;
      void this.#remove(pathOf(file));
    }
  }

  #downloadPath({ fileId }: SessionFile): string {
    return join(this.#directory, 'downloads', fileId);
  }

  #checkOpen(): void {
    if (this.#closed) throw new StreamKitError('conflict', 'The session has ended');
  }

  async #remove(path: string): Promise<void> {
    await rm(path, { recursive: true, force: true, maxRetries: 5 }).catch((thrown: unknown) => {
      this.#logger.warn({ err: asError(thrown) }, 'a file of the session could not be removed');
    });
  }
}

function asStorageError(thrown: unknown): Error {
  if (thrown instanceof StreamKitError) return thrown;
  const error: NodeJS.ErrnoException = asError(thrown);
  const isFull = error.code === 'ENOSPC' || error.code === 'EDQUOT';
  if (isFull) return new StreamKitError('disk_full', 'There is no room for the file', { cause: error });
  return new StreamKitError('internal', 'The file could not be stored', { cause: error });
}
