import type { FileHandle } from 'node:fs/promises';
import { mkdir, open, readdir, readFile, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';

import { asError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';

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
const NAME = /^(\d{16})\.log$/;

interface WaitingRecord {
  readonly sequence: number;
  readonly bytes: Buffer;
}

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
  /** At most as many bytes as the files may have: beyond it chunks are left out of them. */
  #waiting: WaitingRecord[] = [];
  #waitingBytes = 0;
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
    const size = HEADER_BYTES + bytes.byteLength;
    if (this.#waitingBytes + size > this.#parameters.maxBytes) return;
    const record = Buffer.allocUnsafe(size);
    record.writeUInt32BE(bytes.byteLength, 0);
    record.writeBigUInt64BE(BigInt(sequence), CHECKED_FROM);
    record.set(bytes, HEADER_BYTES);
    record.writeUInt32BE(crc32(record.subarray(CHECKED_FROM)), 4);
    this.#waiting.push({ sequence, bytes: record });
    this.#waitingBytes += size;
    this.#writing ??= this.#write();
  }

  /** Waits until everything so far is written. */
  async idle(): Promise<void> {
    await this.#writing;
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
      for (let [first] = this.#waiting; first !== undefined; [first] = this.#waiting) {
        const segment = await this.#segment(first.sequence);
        const batch = this.#takeWaiting(this.#segmentBytes - segment.bytes);
        await segment.file.appendFile(batch);
        segment.bytes += batch.byteLength;
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

  get #segmentBytes(): number {
    return this.#parameters.maxBytes / SEGMENT_PARTS;
  }

  /** What fits, or one. */
  #takeWaiting(room: number): Buffer {
    let count = 0;
    for (let bytes = 0; count < this.#waiting.length && (count === 0 || bytes < room); count++) {
      bytes += this.#waiting[count]?.bytes.byteLength ?? 0;
    }
    const batch = Buffer.concat(this.#waiting.splice(0, count).map(({ bytes }) => bytes));
    this.#waitingBytes -= batch.byteLength;
    return batch;
  }

  /** The file to write to: the newest, or the next where that is full. */
  async #segment(sequence: number): Promise<Segment & { readonly file: FileHandle }> {
    const { directory } = this.#parameters;
    let newest = this.#segments.at(-1);
    if (this.#file === undefined || newest === undefined || newest.bytes >= this.#segmentBytes) {
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
