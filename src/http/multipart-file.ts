import { StreamKitError } from '../base/errors.js';
import { tooLarge } from './json-body.js';

/** Boundaries, headers of parts and fields that are not the file, all together, bytes. */
export const MULTIPART_OVERHEAD_BYTES = 64 * 1024;
/** Headers of one part, bytes. */
const MAX_PART_HEADER_BYTES = 8 * 1024;
/** RFC 2046 section 5.1.1. */
const BOUNDARY = /^multipart\/form-data\s*;(?:.*;)?\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i;

/** A file on its way from a client. */
export interface IncomingFile {
  /** As the client has it; hostile. */
  readonly name: string | undefined;
  readonly chunks: AsyncIterable<Uint8Array>;
}

/** The boundary of a `multipart/form-data` body. Undefined: the body is something else. */
export function multipartBoundary(contentType: string): string | undefined {
  const [, quoted, bare] = BOUNDARY.exec(contentType) ?? [];
  return quoted ?? bare;
}

/**
 * The one file of a `multipart/form-data` body (RFC 7578): its first part with a file name. Fields before it are skipped. Only
 * one piece of the body is in memory at a time.
 *
 * @param maxBytes - of the file.
 * @throws StreamKitError `bad_request` for a body without a file, with a second one, or that ends early; reading `chunks`
 * throws it too, and `too_large`.
 */
export async function multipartFile(
  body: AsyncIterable<Uint8Array>,
  boundary: string,
  maxBytes: number,
): Promise<IncomingFile> {
  const reader = new DelimitedReader(body, Buffer.from(`\r\n--${boundary}`));
  try {
    await reader.skipPart();
    for (;;) {
      const name = fileNameOf(await partHeader(reader));
      if (name !== undefined) return { name, chunks: fileBytes(reader, maxBytes) };
      await reader.skipPart();
    }
  } catch (thrown) {
    await reader.close();
    throw thrown;
  }
}

async function* fileBytes(reader: DelimitedReader, maxBytes: number): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  try {
    for await (const chunk of reader.part()) {
      bytes += chunk.byteLength;
      if (bytes > maxBytes) throw tooLarge(maxBytes, false);
      yield chunk;
    }
    while (!(await reader.isEnd())) {
      if (fileNameOf(await reader.header()) !== undefined) throw malformed('has more than one file');
      await reader.skipPart();
    }
  } finally {
    await reader.close();
  }
}

async function partHeader(reader: DelimitedReader): Promise<string> {
  if (await reader.isEnd()) throw malformed('has no file');
  return reader.header();
}

/** Of the header `Content-Disposition`: `filename`, or `filename*`, which RFC 7578 forbids and clients send. */
function fileNameOf(header: string): string | undefined {
  const disposition = /^content-disposition:(.*)$/im.exec(header)?.[1] ?? '';
  const [, quoted, bare] = /;\s*filename=(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))/i.exec(disposition) ?? [];
  const [, encoded] = /;\s*filename\*=utf-8''([^\s;]*)/i.exec(disposition) ?? [];
  if (encoded !== undefined) {
    try {
      return decodeURIComponent(encoded);
    } catch {
      return quoted ?? bare ?? '';
    }
  }
  return quoted?.replace(/\\(["\\])/g, '$1') ?? bare;
}

function malformed(fault: string): StreamKitError {
  return new StreamKitError('bad_request', `Expected a multipart body with one file, but it ${fault}`);
}

/** Reads a body part by part. */
class DelimitedReader {
  readonly #body: AsyncIterator<Uint8Array>;
  readonly #delimiter: Buffer;
  /** The first boundary may stand at the very beginning, without the line break that belongs to it. */
  #buffer = Buffer.from('\r\n');

  constructor(body: AsyncIterable<Uint8Array>, delimiter: Buffer) {
    this.#body = body[Symbol.asyncIterator]();
    this.#delimiter = delimiter;
  }

  /** What comes before the next boundary, which is consumed. */
  async *part(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const at = this.#buffer.indexOf(this.#delimiter);
      if (at >= 0) {
        if (at > 0) yield this.#buffer.subarray(0, at);
        this.#buffer = this.#buffer.subarray(at + this.#delimiter.byteLength);
        return;
      }
      // The end may be the beginning of a boundary.
      const sure = this.#buffer.byteLength - this.#delimiter.byteLength + 1;
      if (sure > 0) {
        yield this.#buffer.subarray(0, sure);
        this.#buffer = this.#buffer.subarray(sure);
      }
      await this.#fill();
    }
  }

  async skipPart(): Promise<void> {
    for await (const _ of this.part());
  }

  /** Whether the boundary that was just consumed is the last. What follows it is read, and dropped. */
  async isEnd(): Promise<boolean> {
    while (this.#buffer.byteLength < 2) await this.#fill();
    if (this.#buffer.subarray(0, 2).toString('latin1') !== '--') return false;
    while ((await this.#body.next()).done !== true);
    return true;
  }

  /** The header of the part that begins here, without the empty line after it. */
  async header(): Promise<string> {
    for (;;) {
      const at = this.#buffer.indexOf('\r\n\r\n');
      if (at > MAX_PART_HEADER_BYTES) break;
      if (at >= 0) {
        const header = this.#buffer.subarray(0, at).toString('utf8');
        this.#buffer = this.#buffer.subarray(at + 4);
        return header;
      }
      if (this.#buffer.byteLength > MAX_PART_HEADER_BYTES) break;
      await this.#fill();
    }
    throw malformed(`has a part whose header is longer than ${MAX_PART_HEADER_BYTES} bytes`);
  }

  /** Reads no more. Idempotent. */
  async close(): Promise<void> {
    await this.#body.return?.();
  }

  async #fill(): Promise<void> {
    const next = await this.#body.next();
    if (next.done === true) throw malformed('ends before its last boundary');
    this.#buffer = Buffer.concat([this.#buffer, next.value]);
  }
}
