import type { Readable, Writable } from 'node:stream';

import type { EncodedAudio, EncodedFrame } from './encode/encoded-frame.js';
import { VIDEO_CODECS } from '../protocol/video-codecs.js';
import { RUNG_INDEXES, type VideoStream, videoStream } from '../protocol/video-stream.js';

/** What comes through a tap pipe. */
export type TapEntry =
  | { readonly type: 'video'; readonly frame: EncodedFrame }
  | { readonly type: 'audio'; readonly packet: EncodedAudio }
  /** The answer to an order that is too large for a message, by the order's id. */
  | { readonly type: 'blob'; readonly id: number; readonly bytes: Uint8Array };

const HEADER_BYTES = 48;
/** Of one entry. A PNG of 3840 x 2160 pixels of noise takes 24 MiB. */
export const MAX_TAP_ENTRY_BYTES = 32 * 1024 * 1024;
/** What waits for the host; beyond it frames are dropped, pictures up to the next keyframe. */
const MAX_QUEUED_BYTES = 16 * 1024 * 1024;
const KINDS = ['video', 'audio', 'blob'] as const;
const KEYFRAME_FLAG = 1;
const REPEATED_FLAG = 2;

/** The sending end: whole encoded frames and large answers for the host's JavaScript. */
export class TapPipeWriter {
  readonly #stream: Writable;
  readonly #streamsWithGap = new Set<VideoStream>();

  /** @param stream - the caller handles its errors. */
  constructor(stream: Writable) {
    this.#stream = stream;
  }

  /** @returns false: it was dropped, and the stream needs a keyframe. */
  writeFrame(frame: EncodedFrame): boolean {
    const stream = videoStream(frame.codec, frame.rung);
    const isDecodable = frame.keyframe || !this.#streamsWithGap.has(stream);
    if (!isDecodable || !this.#hasRoom()) {
      this.#streamsWithGap.add(stream);
      return false;
    }
    this.#streamsWithGap.delete(stream);
    const head = header('video', frame.bytes.byteLength);
    head.writeUInt8(VIDEO_CODECS.indexOf(frame.codec), 5);
    head.writeUInt8((frame.keyframe ? KEYFRAME_FLAG : 0) | (frame.repeated ? REPEATED_FLAG : 0), 6);
    head.writeUInt8(frame.rung, 7);
    head.writeUInt32LE(frame.rtpTimestamp, 8);
    head.writeDoubleLE(frame.captureTimeUs, 16);
    head.writeDoubleLE(frame.readTimeUs, 24);
    head.writeDoubleLE(frame.encodedTimeUs, 32);
    this.#write(head, frame.bytes);
    return true;
  }

  writeAudio(packet: EncodedAudio): void {
    if (!this.#hasRoom()) return;
    const head = header('audio', packet.bytes.byteLength);
    head.writeUInt32LE(packet.rtpTimestamp, 8);
    head.writeDoubleLE(packet.captureTimeUs, 16);
    this.#write(head, packet.bytes);
  }

  writeBlob(id: number, bytes: Uint8Array): void {
    const head = header('blob', bytes.byteLength);
    head.writeUInt32LE(id, 12);
    this.#write(head, bytes);
  }

  #hasRoom(): boolean {
    return this.#stream.writable && this.#stream.writableLength <= MAX_QUEUED_BYTES;
  }

  #write(head: Buffer, bytes: Uint8Array): void {
    this.#stream.cork();
    this.#stream.write(head);
    this.#stream.write(bytes);
    this.#stream.uncork();
  }
}

function header(kind: (typeof KINDS)[number], payloadBytes: number): Buffer {
  const head = Buffer.alloc(HEADER_BYTES);
  head.writeUInt32LE(HEADER_BYTES + payloadBytes, 0);
  head.writeUInt8(KINDS.indexOf(kind), 4);
  return head;
}

/**
 * Reads the other end.
 *
 * @param onFault - an entry that is none or too large; nothing more is read. At most once.
 */
export function readTapPipe(stream: Readable, onEntry: (entry: TapEntry) => void, onFault: () => void): void {
  let chunks: Buffer[] = [];
  let buffered = 0;
  let wanted = HEADER_BYTES;
  stream.on('error', () => undefined);
  stream.on('data', (data: Buffer) => {
    chunks.push(data);
    buffered += data.length;
    while (buffered >= wanted) {
      let bytes = chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
      const length = bytes.readUInt32LE(0);
      if (length < HEADER_BYTES || length > MAX_TAP_ENTRY_BYTES) {
        stream.destroy();
        onFault();
        return;
      }
      wanted = length;
      if (buffered >= length) {
        const entry = entryOf(bytes.subarray(0, length));
        if (entry === undefined) {
          stream.destroy();
          onFault();
          return;
        }
        onEntry(entry);
        bytes = bytes.subarray(length);
        buffered = bytes.length;
        wanted = HEADER_BYTES;
      }
      chunks = [bytes];
    }
  });
}

function entryOf(entry: Buffer): TapEntry | undefined {
  // A copy: sinks keep frames, and must not keep what came with them.
  const bytes = Uint8Array.from(entry.subarray(HEADER_BYTES));
  const flags = entry.readUInt8(6);
  const rtpTimestamp = entry.readUInt32LE(8);
  const captureTimeUs = entry.readDoubleLE(16);
  switch (KINDS[entry.readUInt8(4)]) {
    case 'video': {
      const codec = VIDEO_CODECS[entry.readUInt8(5)];
      const rung = RUNG_INDEXES[entry.readUInt8(7)];
      if (codec === undefined || rung === undefined) return undefined;
      const frame: EncodedFrame = {
        ...{ codec, rung, bytes, rtpTimestamp, captureTimeUs },
        keyframe: (flags & KEYFRAME_FLAG) !== 0,
        repeated: (flags & REPEATED_FLAG) !== 0,
        readTimeUs: entry.readDoubleLE(24),
        encodedTimeUs: entry.readDoubleLE(32),
      };
      return { type: 'video', frame };
    }
    case 'audio':
      return { type: 'audio', packet: { codec: 'opus', bytes, rtpTimestamp, captureTimeUs } };
    case 'blob':
      return { type: 'blob', id: entry.readUInt32LE(12), bytes };
    case undefined:
      return undefined;
  }
}
