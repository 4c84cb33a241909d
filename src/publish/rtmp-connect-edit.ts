import { Transform, type TransformCallback } from 'node:stream';

/** C0, C1 and C2 of the handshake. */
const HANDSHAKE_BYTES = 1 + 1536 + 1536;
/** Header of a format 0 chunk whose stream id has one byte. */
const HEADER_BYTES = 12;
/** Payload of a chunk, until a message changes it; none comes before `connect`. */
const CHUNK_BYTES = 128;
const COMMAND_MESSAGE = 20;
/** A name and the marker of a string, as AMF 0 has them in an object. */
const TC_URL = Buffer.from('\0\u0005tcUrl\u0002', 'latin1');
/** Passed on unchanged if no `connect` is found within this many bytes, or if it is longer. */
const MAX_HELD_BYTES = 16 * 1024;

/**
 * Puts the name of the server into the `tcUrl` of an RTMP client's `connect`, its first message: the client has connected to a relay,
 * and servers with several virtual hosts tell them apart by it.
 */
export class RtmpConnectEdit extends Transform {
  readonly #from: string;
  readonly #to: string;
  #handshakeBytes = HANDSHAKE_BYTES;
  #held = Buffer.alloc(0);
  #isDone = false;

  /** @param from - beginning of the URL that the client knows. @param to - what stands there instead. */
  constructor(from: string, to: string) {
    super();
    this.#from = from;
    this.#to = to;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const passed = Math.min(chunk.length, this.#handshakeBytes);
    this.#handshakeBytes -= passed;
    if (passed > 0) this.push(chunk.subarray(0, passed));
    const rest = chunk.subarray(passed);
    if (this.#isDone) this.push(rest);
    else if (rest.length > 0) this.#hold(rest);
    done();
  }

  override _flush(done: TransformCallback): void {
    done(null, this.#held);
  }

  #hold(bytes: Buffer): void {
    this.#held = Buffer.concat([this.#held, bytes]);
    const message = firstMessage(this.#held);
    if (message === undefined && this.#held.length < MAX_HELD_BYTES) return;
    this.#isDone = true;
    if (message !== undefined) {
      this.push(this.#edited(message));
      this.#held = this.#held.subarray(message.chunkedBytes);
    }
    this.push(this.#held);
    this.#held = Buffer.alloc(0);
  }

  #edited({ header, body }: Message): Buffer {
    const at = header[7] === COMMAND_MESSAGE ? body.indexOf(TC_URL) : -1;
    const start = at + TC_URL.length;
    if (at === -1 || body.length < start + 2) return chunked(header, body);
    const end = start + 2 + body.readUInt16BE(start);
    const known = body.toString('latin1', start + 2, end);
    if (!known.startsWith(this.#from)) return chunked(header, body);
    const value = Buffer.from(this.#to + known.slice(this.#from.length), 'latin1');
    const length = Buffer.alloc(2);
    length.writeUInt16BE(value.length);
    return chunked(header, Buffer.concat([body.subarray(0, start), length, value, body.subarray(end)]));
  }
}

interface Message {
  readonly header: Buffer;
  readonly body: Buffer;
  /** What it took on the wire. */
  readonly chunkedBytes: number;
}

/** Undefined: it is not whole yet, or not of the kind that begins a connection. */
function firstMessage(bytes: Buffer): Message | undefined {
  if (bytes.length < HEADER_BYTES || (bytes[0] ?? 0) >> 6 !== 0) return undefined;
  const header = bytes.subarray(0, HEADER_BYTES);
  const bodyBytes = header.readUIntBE(4, 3);
  if (bodyBytes > MAX_HELD_BYTES) return undefined;
  const chunkedBytes = HEADER_BYTES + bodyBytes + Math.max(Math.ceil(bodyBytes / CHUNK_BYTES) - 1, 0);
  if (bytes.length < chunkedBytes) return undefined;
  const parts: Buffer[] = [];
  for (let at = HEADER_BYTES; at < chunkedBytes; at += CHUNK_BYTES + 1) {
    parts.push(bytes.subarray(at, Math.min(at + CHUNK_BYTES, chunkedBytes)));
  }
  return { header, body: Buffer.concat(parts), chunkedBytes };
}

function chunked(header: Buffer, body: Buffer): Buffer {
  const first = Buffer.from(header);
  first.writeUIntBE(body.length, 4, 3);
  // Format 3: what goes on with the message of this chunk stream.
  const next = Buffer.of(0xc0 | ((header[0] ?? 0) & 0x3f));
  const parts: Buffer[] = [first];
  for (let at = 0; at < body.length; at += CHUNK_BYTES) {
    if (at > 0) parts.push(next);
    parts.push(body.subarray(at, at + CHUNK_BYTES));
  }
  return Buffer.concat(parts);
}
