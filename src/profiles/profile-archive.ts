import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

import { asError, StreamKitError } from '../base/errors.js';

/**
 * One profile as one file: a head, entries, a trailer.
 *
 * - Head: `skprof1` and a zero byte; or, encrypted, a one byte, the salt of the key (16) and the nonce (12).
 * - Entry: length of its name (2), its name in UTF-8, its size (6), its bytes. The last one has a name of length 0 and nothing more.
 * - Trailer: SHA-256 of head and entries; or, encrypted, the tag of AES-256-GCM, which covers the head as well.
 *
 * Numbers are big-endian.
 */
const MAGIC = Buffer.from('skprof1');
const PLAIN = 0;
const ENCRYPTED = 1;
const SALT_BYTES = 16;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const DIGEST_BYTES = 32;
const MAX_NAME_BYTES = 1024;
const SIZE_BYTES = 6;
/** Of a file that is read or written at a time. */
const CHUNK_BYTES = 256 * 1024;

/** Takes the bytes of head and entries, in their order. */
interface Seal {
  /** What stands in the file instead of `bytes`. */
  update(bytes: Uint8Array): Uint8Array;
}

/** A file key for each archive: a nonce is never used twice with one. */
function fileKey(key: Uint8Array, salt: Uint8Array): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', key, salt, 'stream-kit profile archive', 32));
}

/** Writes a new archive, which must not be there yet. */
export class ArchiveWriter {
  readonly #file: FileHandle;
  readonly #seal: Seal & { trailer(): Uint8Array };
  readonly #maxBytes: number;
  #bytes = 0;

  private constructor(file: FileHandle, seal: Seal & { trailer(): Uint8Array }, maxBytes: number) {
    this.#file = file;
    this.#seal = seal;
    this.#maxBytes = maxBytes;
  }

  /** @param key - 32 bytes; undefined: it is not encrypted. */
  static async create(path: string, key: Uint8Array | undefined, maxBytes: number): Promise<ArchiveWriter> {
    const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
    const file = await open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    try {
      if (key === undefined) {
        const hash = createHash('sha256');
        const seal = {
          update: (bytes: Uint8Array) => {
            hash.update(bytes);
            return bytes;
          },
          trailer: () => hash.digest(),
        };
        const writer = new ArchiveWriter(file, seal, maxBytes);
        await writer.#write(seal.update(Buffer.concat([MAGIC, Buffer.of(PLAIN)])));
        return writer;
      }
      const salt = randomBytes(SALT_BYTES);
      const nonce = randomBytes(NONCE_BYTES);
      const head = Buffer.concat([MAGIC, Buffer.of(ENCRYPTED), salt, nonce]);
      const cipher = createCipheriv('aes-256-gcm', fileKey(key, salt), nonce).setAAD(head);
      const seal = {
        update: (bytes: Uint8Array) => cipher.update(bytes),
        trailer: () => {
          cipher.final();
          return cipher.getAuthTag();
        },
      };
      const writer = new ArchiveWriter(file, seal, maxBytes);
      await writer.#write(head);
      return writer;
    } catch (thrown) {
      await file.close();
      throw thrown;
    }
  }

  /** @throws StreamKitError `too_large`, `disk_full`. */
  async addBytes(name: string, bytes: Uint8Array): Promise<void> {
    await this.#begin(name, bytes.byteLength);
    await this.#append(bytes);
  }

  /**
   * Adds a file as it is now. What is no file of its own, such as a symbolic link, is left out.
   *
   * @throws StreamKitError `too_large`, `disk_full`; Error where the file shrinks meanwhile.
   */
  async addFile(name: string, path: string): Promise<void> {
    const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
    const file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK).catch((thrown: unknown) => {
      if (['ELOOP', 'ENOENT', 'ENXIO'].includes((thrown as NodeJS.ErrnoException).code ?? ''))
        return undefined;
      throw thrown;
    });
    if (file === undefined) return;
    try {
      const stats = await file.stat();
      if (!stats.isFile()) return;
      await this.#begin(name, stats.size);
      const chunk = Buffer.allocUnsafe(Math.min(stats.size, CHUNK_BYTES));
      for (let at = 0; at < stats.size;) {
        const { bytesRead } = await file.read(chunk, 0, Math.min(chunk.byteLength, stats.size - at), at);
        if (bytesRead === 0) throw new Error('The file is shorter than it was');
        await this.#append(chunk.subarray(0, bytesRead));
        at += bytesRead;
      }
    } finally {
      await file.close();
    }
  }

  /** It is whole and on the disk. */
  async finish(): Promise<void> {
    await this.#append(Buffer.alloc(2));
    await this.#write(this.#seal.trailer());
    await this.#file.sync();
    await this.#file.close();
  }

  /** It is not to be finished. Idempotent. */
  async abandon(): Promise<void> {
    await this.#file.close().catch(() => undefined);
  }

  async #begin(name: string, size: number): Promise<void> {
    const nameBytes = Buffer.from(name);
    if (nameBytes.byteLength < 1 || nameBytes.byteLength > MAX_NAME_BYTES)
      throw new Error('The name is too long');
    const begin = Buffer.alloc(2 + nameBytes.byteLength + SIZE_BYTES);
    begin.writeUInt16BE(nameBytes.byteLength);
    nameBytes.copy(begin, 2);
    begin.writeUIntBE(size, 2 + nameBytes.byteLength, SIZE_BYTES);
    // Before what is too large is read.
    if (this.#bytes + begin.byteLength + size > this.#maxBytes) throw tooLarge(this.#maxBytes);
    await this.#append(begin);
  }

  async #append(bytes: Uint8Array): Promise<void> {
    this.#bytes += bytes.byteLength;
    if (this.#bytes > this.#maxBytes) throw tooLarge(this.#maxBytes);
    await this.#write(this.#seal.update(bytes));
  }

  async #write(bytes: Uint8Array): Promise<void> {
    try {
      for (let at = 0; at < bytes.byteLength;) {
        const { bytesWritten } = await this.#file.write(bytes, at);
        at += bytesWritten;
      }
    } catch (thrown) {
      const { code } = thrown as NodeJS.ErrnoException;
      if (code !== 'ENOSPC' && code !== 'EDQUOT') throw thrown;
      throw new StreamKitError('disk_full', 'The disk for profiles is full', { cause: asError(thrown) });
    }
  }
}

/** One entry: its bytes are taken from the reader before the next one. */
export interface ArchiveEntry {
  readonly name: string;
  readonly size: number;
}

/**
 * Reads an archive from its beginning to its end. What it gives is to be trusted only after the end, which {@link next} has checked.
 * Every method throws `profile_failed` where the archive is not whole, or is encrypted in another way.
 */
export class ArchiveReader {
  readonly #file: FileHandle;
  readonly #seal: Seal & { check(trailer: Uint8Array): boolean };
  readonly #end: number;
  readonly #maxBytes: number;
  #at: number;

  private constructor(
    file: FileHandle,
    seal: Seal & { check(trailer: Uint8Array): boolean },
    range: { readonly begin: number; readonly end: number },
    maxBytes: number,
  ) {
    this.#file = file;
    this.#seal = seal;
    this.#at = range.begin;
    this.#end = range.end;
    this.#maxBytes = maxBytes;
  }

  /**
   * @param key - 32 bytes; undefined: only what is not encrypted is read, and otherwise only what is.
   * @returns undefined where there is no file.
   * @throws StreamKitError `profile_failed`.
   */
  static async open(
    path: string,
    key: Uint8Array | undefined,
    maxBytes: number,
  ): Promise<ArchiveReader | undefined> {
    const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
    const file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK).catch((thrown: unknown) => {
      if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw unreadable(thrown);
    });
    if (file === undefined) return undefined;
    try {
      const stats = await file.stat();
      if (!stats.isFile()) throw unreadable();
      const headBytes = MAGIC.byteLength + 1 + (key === undefined ? 0 : SALT_BYTES + NONCE_BYTES);
      const trailerBytes = key === undefined ? DIGEST_BYTES : TAG_BYTES;
      const range = { begin: headBytes, end: stats.size - trailerBytes };
      if (range.end < range.begin) throw unreadable();
      const head = await readExactly(file, headBytes, 0);
      const kind = key === undefined ? PLAIN : ENCRYPTED;
      if (!head.subarray(0, MAGIC.byteLength).equals(MAGIC) || head[MAGIC.byteLength] !== kind)
        throw unreadable();
      return new ArchiveReader(file, openingSeal(head, key), range, maxBytes);
    } catch (thrown) {
      await file.close();
      throw thrown;
    }
  }

  /** The next entry; undefined at the end, which is then known to be the end. */
  async next(): Promise<ArchiveEntry | undefined> {
    const nameBytes = (await this.take(2)).readUInt16BE();
    if (nameBytes === 0) {
      if (this.#at !== this.#end) throw unreadable();
      const trailer = await readExactly(this.#file, (await this.#file.stat()).size - this.#end, this.#end);
      if (!this.#seal.check(trailer)) throw unreadable();
      return undefined;
    }
    if (nameBytes > MAX_NAME_BYTES) throw unreadable();
    const name = (await this.take(nameBytes)).toString('utf8');
    const size = (await this.take(SIZE_BYTES)).readUIntBE(0, SIZE_BYTES);
    if (this.#at + size > this.#end || size > this.#maxBytes) throw unreadable();
    return { name, size };
  }

  async take(bytes: number): Promise<Buffer> {
    if (this.#at + bytes > this.#end) throw unreadable();
    const taken = this.#seal.update(await readExactly(this.#file, bytes, this.#at));
    this.#at += bytes;
    return Buffer.from(taken.buffer, taken.byteOffset, taken.byteLength);
  }

  /** The bytes of an entry piece by piece. */
  async *chunks({ size }: ArchiveEntry): AsyncGenerator<Buffer> {
    for (let left = size; left > 0;) {
      const chunk = await this.take(Math.min(left, CHUNK_BYTES));
      left -= chunk.byteLength;
      yield chunk;
    }
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

function openingSeal(
  head: Buffer,
  key: Uint8Array | undefined,
): Seal & { check(trailer: Uint8Array): boolean } {
  if (key === undefined) {
    const hash = createHash('sha256').update(head);
    return {
      update: (bytes) => {
        hash.update(bytes);
        return bytes;
      },
      check: (trailer) => hash.digest().equals(trailer),
    };
  }
  const salt = head.subarray(MAGIC.byteLength + 1, MAGIC.byteLength + 1 + SALT_BYTES);
  const nonce = head.subarray(MAGIC.byteLength + 1 + SALT_BYTES);
  const decipher = createDecipheriv('aes-256-gcm', fileKey(key, salt), nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(head);
  return {
    update: (bytes) => decipher.update(bytes),
    check: (trailer) => {
      try {
        decipher.setAuthTag(trailer).final();
        return true;
      } catch {
        return false;
      }
    },
  };
}

async function readExactly(file: FileHandle, bytes: number, position: number): Promise<Buffer> {
  const read = Buffer.allocUnsafe(bytes);
  for (let at = 0; at < bytes;) {
    const { bytesRead } = await file.read(read, at, bytes - at, position + at);
    if (bytesRead === 0) throw unreadable();
    at += bytesRead;
  }
  return read;
}

function tooLarge(maxBytes: number): StreamKitError {
  return new StreamKitError('too_large', `The profile is larger than ${maxBytes} bytes`);
}

function unreadable(cause?: unknown): StreamKitError {
  const message = 'The profile cannot be read: it is damaged, or was stored with another key';
  return new StreamKitError('profile_failed', message, cause === undefined ? {} : { cause: asError(cause) });
}
