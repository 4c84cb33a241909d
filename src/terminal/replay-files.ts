import type { FileHandle } from 'node:fs/promises';
import { mkdir, open, readdir, readFile, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';

import { asError } from '../errors.js';
import type { Logger } from '../logger.js';
import { crc32 } from './crc32.js';

/** A chunk of output as it was written. */
export interface ReplayRecord {
  readonly sequence: number;
  readonly bytes: Uint8Array;
}

export interface ReplayFilesParameters {
  /** Made if it is missing, for this user alone. */
  readonly directory: string;
  /** Most bytes of all files together, but for what the oldest has more. */
  readonly maxBytes: number;
  readonly logger: Logger;
}

/** `[length of the data: 4][CRC-32 of what follows: 4][sequence: 8][data]`, big-endian. */
const HEADER_BYTES = 16;
const CHECKED_FROM = 8;
/** A file is full at this size; the oldest are removed as a whole. */
const SEGMENT_PARTS = 8;
/** Longest chunk, bytes: what claims to be longer is none. */
const MAX_RECORD_BYTES = 4 * 1024 * 1024;
/** Most that waits for the disk, bytes; beyond it chunks are left out of the files. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024;
const NAME = /^(\d{16})\.log$/;

interface Segment {
  readonly path: string;
  bytes: number;
}

/**
 * The output of one terminal on disk: a row of files that are only ever appended to. What was being written when the
 * server stopped is cut off; all before it is read again.
 */
export class ReplayFiles {
  readonly #parameters: ReplayFilesParameters;
  readonly #segments: Segment[];
  #file: FileHandle | undefined;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #firstWaiting = 0;
  #writing: Promise<void> | undefined;
  #broken = false;
  #closed = false;

  private constructor(parameters: ReplayFilesParameters, segments: Segment[]) {
    this.#parameters = parameters;
    this.#segments = segments;
  }

  /** Reads what an earlier run has left, oldest first; numbers grow, and some may be missing. */
  static async open(
    parameters: ReplayFilesParameters,
  ): Promise<{ readonly files: ReplayFiles; readonly records: readonly ReplayRecord[] }> {
    const { directory } = parameters;
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const names = (await readdir(directory)).filter((name) => NAME.test(name)).sort();
    const segments: Segment[] = [];
    const records: ReplayRecord[] = [];
    for (const name of names) {
      const path = join(directory, name);
      const bytes = await readFile(path);
      const length = readRecords(bytes, records);
      // Something may be written after it, which must not be taken for the rest of what was torn.
      if (length < bytes.byteLength) await truncate(path, length);
      if (length > 0) segments.push({ path, bytes: length });
      else await rm(path, { force: true });
    }
    return { files: new ReplayFiles(parameters, segments), records };
  }

  /** Writes a chunk in the background. */
  append(sequence: number, bytes: Uint8Array): void {
    if (this.#broken || this.#closed) return;
    if (this.#waitingBytes + bytes.byteLength > MAX_WAITING_BYTES) return;
    const header = Buffer.allocUnsafe(HEADER_BYTES);
    header.writeUInt32BE(bytes.byteLength, 0);
    header.writeBigUInt64BE(BigInt(sequence), CHECKED_FROM);
    header.writeUInt32BE(crc32(bytes, crc32(header.subarray(CHECKED_FROM))), 4);
    if (this.#waiting.length === 0) this.#firstWaiting = sequence;
    this.#waiting.push(header, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    this.#waitingBytes += HEADER_BYTES + bytes.byteLength;
    this.#writing ??= this.#write();
  }

  /** Waits until everything is written. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#writing;
    await this.#file?.close();
    this.#file = undefined;
  }

  async #write(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        const batch = this.#waiting;
        const bytes = this.#waitingBytes;
        const segment = await this.#segment(this.#firstWaiting);
        this.#waiting = [];
        this.#waitingBytes = 0;
        await segment.file.appendFile(Buffer.concat(batch));
        segment.bytes += bytes;
      }
    } catch (thrown) {
      // A full disk must not end the terminal.
      this.#broken = true;
      this.#waiting = [];
      this.#parameters.logger.warn({ err: asError(thrown) }, 'output of a terminal is not kept any more');
    } finally {
      this.#writing = undefined;
    }
  }

  /** The file to write to: the newest, or the next where that is full. */
  async #segment(sequence: number): Promise<Segment & { readonly file: FileHandle }> {
    const { directory, maxBytes } = this.#parameters;
    let newest = this.#segments.at(-1);
    if (this.#file === undefined || newest === undefined || newest.bytes >= maxBytes / SEGMENT_PARTS) {
      await this.#file?.close();
      this.#file = undefined;
      const path = join(directory, `${String(sequence).padStart(16, '0')}.log`);
      this.#file = await open(path, 'a', 0o600);
      newest = { path, bytes: 0 };
      this.#segments.push(newest);
      await this.#removeOldest();
    }
    return Object.assign(newest, { file: this.#file });
  }

  async #removeOldest(): Promise<void> {
    let bytes = this.#segments.reduce((sum, segment) => sum + segment.bytes, 0);
    while (bytes > this.#parameters.maxBytes && this.#segments.length > 1) {
      const oldest = this.#segments.shift();
      if (oldest === undefined) return;
      bytes -= oldest.bytes;
      await rm(oldest.path, { force: true });
    }
  }
}

/** Reads records up to the first that is torn or damaged. @returns the length of those that are whole, bytes. */
function readRecords(bytes: Buffer, records: ReplayRecord[]): number {
  let at = 0;
  while (at + HEADER_BYTES <= bytes.byteLength) {
    const length = bytes.readUInt32BE(at);
    const end = at + HEADER_BYTES + length;
    if (length > MAX_RECORD_BYTES || end > bytes.byteLength) break;
    if (bytes.readUInt32BE(at + 4) !== crc32(bytes.subarray(at + CHECKED_FROM, end))) break;
    const sequence = Number(bytes.readBigUInt64BE(at + CHECKED_FROM));
    const last = records.at(-1)?.sequence ?? 0;
    if (!Number.isSafeInteger(sequence) || sequence <= last) break;
    records.push({ sequence, bytes: Buffer.from(bytes.subarray(at + HEADER_BYTES, end)) });
    at = end;
  }
  return at;
}
