import {
  type Container,
  CONTAINERS,
  type RecordedFile,
  type RecordingError,
} from '../protocol/recordings.js';
import { constants } from 'node:os';

import { FFmpegError } from 'node-av/lib';

import type { KeyframeParameters } from './keyframe-parameters.js';
import { keyframeParameters, sameParameters } from './keyframe-parameters.js';
import { MediaFile } from './media-file.js';
import type { MuxPacket, PlacedPacket } from './mux-packet.js';
import { PacketInterleaver } from './packet-interleaver.js';
import { recordingPath, type RecordingThreadData } from './recording-messages.js';

/**
 * How often what is complete goes to the disk, µs. With the time that packets wait for each other, a crash costs less
 * than a second.
 */
const FLUSH_INTERVAL_US = 400_000;
/** Errors of the system that mean there is no room. */
const NO_ROOM: readonly number[] = [constants.errno.ENOSPC, constants.errno.EDQUOT];

/** Something ended the recording. */
export class RecordingEnd extends Error {
  readonly recordingError: RecordingError;

  constructor(recordingError: RecordingError, cause?: unknown) {
    super(recordingError.message, { cause });
    this.recordingError = recordingError;
  }
}

/** Writes one recording to its files. Everything blocks: it belongs into a thread of its own. */
export class RecordingWriter {
  readonly #data: RecordingThreadData;
  readonly #container: Container;
  readonly #interleaver: PacketInterleaver;
  readonly #finished: RecordedFile[] = [];
  #file: { media: MediaFile; parameters: KeyframeParameters; originUs: number; endUs: number } | undefined;
  #flushedAtUs = 0;

  constructor(data: RecordingThreadData) {
    this.#data = data;
    this.#container = CONTAINERS[data.codec];
    this.#interleaver = new PacketInterleaver(data.hasAudio);
  }

  /** The files as they are now, the newest last. */
  get files(): readonly RecordedFile[] {
    return this.#file === undefined ? this.#finished : [...this.#finished, describe(this.#file)];
  }

  push(packet: MuxPacket): void {
    this.#interleaver.push(packet);
  }

  /**
   * Writes what is complete; to be called every 100 ms or so.
   *
   * @throws RecordingEnd; {@link close} is then all that may be called.
   */
  advance(nowUs: number): void {
    this.#attempt(() => {
      this.#writeAll(this.#interleaver.take(nowUs));
      if (nowUs - this.#flushedAtUs < FLUSH_INTERVAL_US) return;
      this.#file?.media.flush();
      this.#flushedAtUs = nowUs;
    });
  }

  /**
   * Writes the rest and ends the file.
   *
   * @throws RecordingEnd
   */
  finish(nowUs: number): void {
    this.#attempt(() => {
      this.#writeAll(this.#interleaver.takeAll(nowUs));
      this.#finishFile();
    });
  }

  /** Closes what is open after a failure. Idempotent. */
  close(): void {
    if (this.#file === undefined) return;
    this.#file.media.abandon();
    this.#finished.push(describe(this.#file));
    this.#file = undefined;
  }

  #writeAll(packets: readonly PlacedPacket[]): void {
    for (const packet of packets) this.#write(packet);
  }

  #write(packet: PlacedPacket): void {
    if (packet.kind === 'video' && packet.keyframe) this.#beginFileIfChanged(packet);
    const file = this.#file;
    if (file === undefined) return;
    const otherBytes = this.#finished.reduce((sum, { bytes }) => sum + bytes, 0);
    if (otherBytes + file.media.expectedBytes + packet.bytes.byteLength > this.#data.maxBytes) {
      this.#finishFile();
      const message = `The recording reached its limit of ${this.#data.maxBytes} bytes`;
      throw new RecordingEnd({ code: 'limit_reached', message });
    }
    file.media.write(packet, file.originUs);
    file.endUs = Math.max(file.endUs, packet.timeUs + packet.durationUs);
  }

  /** A track describes one size and one encoder: another begins the next file. */
  #beginFileIfChanged(keyframe: PlacedPacket): void {
    const parameters = keyframeParameters(this.#data.codec, keyframe.bytes);
    if (parameters === undefined) return;
    if (this.#file !== undefined && sameParameters(this.#file.parameters, parameters)) return;
    this.#finishFile();
    const path = recordingPath(this.#data.pathPrefix, this.#finished.length + 1, this.#container);
    const media = new MediaFile(path, this.#container, parameters, this.#data.hasAudio);
    this.#file = { media, parameters, originUs: keyframe.timeUs, endUs: keyframe.timeUs };
  }

  #finishFile(): void {
    if (this.#file === undefined) return;
    this.#file.media.finish();
    this.#finished.push(describe(this.#file));
    this.#file = undefined;
  }

  #attempt(work: () => void): void {
    try {
      work();
    } catch (thrown) {
      if (thrown instanceof RecordingEnd) throw thrown;
      throw new RecordingEnd(errorFor(thrown), thrown);
    }
  }
}

function describe(file: { media: MediaFile; originUs: number; endUs: number }): RecordedFile {
  const { width, height, safeBytes } = file.media;
  return { width, height, bytes: safeBytes, durationMs: Math.round((file.endUs - file.originUs) / 1000) };
}

function errorFor(thrown: unknown): RecordingError {
  // FFmpeg's errors of the system are negated errno (libavutil/error.h).
  const noRoom = thrown instanceof FFmpegError && NO_ROOM.includes(-thrown.code);
  return noRoom
    ? { code: 'disk_full', message: 'The disk for recordings is full' }
    : { code: 'recording_failed', message: 'The recording could not be written' };
}
