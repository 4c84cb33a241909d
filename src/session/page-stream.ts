import type { Clock } from '../base/clock.js';
import type { EncodedAudio, EncodedFrame, VideoCodec } from '../render/encode/encoded-frame.js';
import type { OpenPacketSource, PacketSink, PacketSource } from '../recording/packet-source.js';
import type { ChunkReader, ChunkStream } from './chunk-stream.js';
import {
  KIND_AUDIO,
  KIND_DELTA,
  KIND_KEYFRAME,
  PAGE_HEADER_BYTES,
  SEQUENCE_BYTES,
} from '../protocol/chunk-format.js';
import { EventLog } from './event-log.js';
import { OnDemand } from './on-demand.js';

export interface PageStreamParameters {
  readonly clock: Clock;
  /** How long the stream goes on without a reader, ms: one that comes back within it has missed nothing. */
  readonly graceMs: number;
  /** The codec that the stream gets, if it began now. */
  readonly chooseCodec: () => VideoCodec;
  readonly openSource: (codec: VideoCodec, sink: PacketSink) => ReturnType<OpenPacketSource>;
}

/** What a reader that comes back can still get; beyond it the oldest is gone. A chunk is a picture or 20 ms of sound. */
const CHUNK_LOG_LIMITS = { maxEntries: 8192, maxBytes: 8 * 1024 * 1024 } as const;
/** All that ask for a keyframe within this time share one, µs. */
const KEYFRAME_INTERVAL_US = 300_000;
/** A reader that begins anew is not sent an older keyframe, ms, but waits for the next. */
const FRESH_KEYFRAME_MS = 1000;

/**
 * What a session encodes as numbered chunks, each made once for all readers:
 * `[sequence: 8][kind: 1][capture time, µs: 8][payload]`, big-endian.
 */
export class PageStream implements ChunkStream, PacketSink {
  readonly #parameters: PageStreamParameters;
  readonly #log = new EventLog(CHUNK_LOG_LIMITS);
  readonly #readers = new Set<ChunkReader>();
  readonly #running: OnDemand;
  #source: PacketSource | undefined;
  #codec: VideoCodec | undefined;
  #keyframe = { sequence: 0, atUs: 0 };
  #keyframeAskedAtUs = -Infinity;
  /** What lies between two openings of the source is missing: the next picture must need none before it. */
  #waitsForKeyframe = true;
  #ended = false;

  constructor(parameters: PageStreamParameters) {
    this.#parameters = parameters;
    const { clock, graceMs } = parameters;
    this.#running = new OnDemand({
      clock,
      graceMs,
      running: false,
      start: () => {
        this.#waitsForKeyframe = true;
        this.#source = parameters.openSource(this.codec, this);
      },
      stop: () => this.#closeSource(),
    });
  }

  /** Chosen when it is first asked for; after that it stays the same, since readers have been told of it. */
  get codec(): VideoCodec {
    this.#codec ??= this.#parameters.chooseCodec();
    return this.#codec;
  }

  get lastSequence(): number {
    return this.#log.lastSequence;
  }

  chunk(sequence: number): Uint8Array | undefined {
    return this.#log.at(sequence)?.bytes;
  }

  bytesFrom(sequence: number): number {
    return this.#log.bytesAfter(sequence - 1);
  }

  /** Where a part is gone or there is nothing to go on after: the newest keyframe, unless it is old. */
  resumeAt(lastSequence: number | null): number | undefined {
    if (lastSequence !== null && this.#log.after(lastSequence) !== 'gap') return lastSequence + 1;
    const { sequence, atUs } = this.#keyframe;
    const isFresh = this.#parameters.clock.nowUs() - atUs <= FRESH_KEYFRAME_MS * 1000;
    return isFresh && this.#log.at(sequence) !== undefined ? sequence : undefined;
  }

  /** The next keyframe comes soon. */
  requestEntry(): void {
    const nowUs = this.#parameters.clock.nowUs();
    if (this.#source === undefined || nowUs - this.#keyframeAskedAtUs < KEYFRAME_INTERVAL_US) return;
    this.#keyframeAskedAtUs = nowUs;
    this.#source.requestKeyframe();
  }

  /** @throws StreamKitError as `openSource` does. */
  add(reader: ChunkReader): void {
    if (this.#ended || this.#readers.has(reader)) return;
    this.#readers.add(reader);
    try {
      this.#running.hold();
    } catch (thrown) {
      this.#readers.delete(reader);
      this.#running.close();
      throw thrown;
    }
  }

  delete(reader: ChunkReader): void {
    if (this.#readers.delete(reader) && !this.#ended) this.#running.release();
  }

  /** Idempotent. */
  close(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#running.close();
    this.#readers.clear();
    this.#closeSource();
  }

  onEncodedFrame({ bytes, keyframe, captureTimeUs }: EncodedFrame): void {
    if (this.#waitsForKeyframe && !keyframe) return;
    this.#waitsForKeyframe = false;
    this.#append(keyframe ? KIND_KEYFRAME : KIND_DELTA, captureTimeUs, bytes);
  }

  onEncodedAudio({ bytes, captureTimeUs }: EncodedAudio): void {
    this.#append(KIND_AUDIO, captureTimeUs, bytes);
  }

  onSourceEnded(): Promise<void> {
    this.close();
    return Promise.resolve();
  }

  #append(kind: number, captureTimeUs: number, payload: Uint8Array): void {
    const { sequence, bytes } = this.#log.append((next) => {
      // Memory of its own: a slice of Node's pool would keep the 8 KiB around it for as long as the chunk is kept.
      const chunk = Buffer.allocUnsafeSlow(PAGE_HEADER_BYTES + payload.byteLength);
      chunk.writeBigUInt64BE(BigInt(next), 0);
      chunk.writeUInt8(kind, SEQUENCE_BYTES);
      chunk.writeBigUInt64BE(BigInt(Math.round(captureTimeUs)), SEQUENCE_BYTES + 1);
      chunk.set(payload, PAGE_HEADER_BYTES);
      return chunk;
    });
    const keyframe = kind === KIND_KEYFRAME;
    if (keyframe) this.#keyframe = { sequence, atUs: this.#parameters.clock.nowUs() };
    for (const reader of this.#readers) {
      reader.onChunk(sequence, bytes);
      if (keyframe) reader.onEntry({ sequence });
    }
  }

  #closeSource(): void {
    this.#source?.close();
    this.#source = undefined;
  }
}
