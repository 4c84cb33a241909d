import { randomUUID } from 'node:crypto';
import { accessSync, constants, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { HlsReport, HlsThreadData } from './hls-messages.js';
import type { KeyframeParameters } from './keyframe-parameters.js';
import { keyframeParameters, sameParameters } from './keyframe-parameters.js';
import { MediaFile } from './media-file.js';
import type { MuxPacket, PlacedPacket } from './mux-packet.js';
import { PacketInterleaver } from './packet-interleaver.js';

/** A keyframe sooner after the last cut makes no segment of its own, µs. */
const LEAST_SEGMENT_US = 500_000;
/** A segment larger than this has no end: nobody makes keyframes. */
const MAX_SEGMENT_BYTES = 64 * 1024 * 1024;

/** Cuts H.264 and Opus into segments of fragmented MP4, each from a keyframe to the next. Everything blocks. */
export class HlsSegmenter {
  readonly #data: HlsThreadData;
  readonly #report: (report: HlsReport) => void;
  readonly #interleaver: PacketInterleaver;
  #file: { media: MediaFile; parameters: KeyframeParameters; originUs: number } | undefined;
  #segmentStartUs = 0;

  constructor(data: HlsThreadData, report: (report: HlsReport) => void) {
    this.#data = data;
    this.#report = report;
    this.#interleaver = new PacketInterleaver(data.hasAudio);
  }

  push(packet: MuxPacket): void {
    this.#interleaver.push(packet);
  }

  /** @throws Error of FFmpeg or of the system; {@link close} is then all that may be called. */
  advance(nowUs: number): void {
    for (const packet of this.#interleaver.take(nowUs)) this.#write(packet);
  }

  /** Idempotent. */
  close(): void {
    this.#file?.media.abandon();
    this.#file = undefined;
  }

  #write(packet: PlacedPacket): void {
    if (packet.kind === 'video' && packet.keyframe) this.#onKeyframe(packet);
    const file = this.#file;
    if (file === undefined) return;
    file.media.write(packet, file.originUs);
    if (file.media.pendingBytes > MAX_SEGMENT_BYTES) throw new Error('A segment has become too large');
  }

  #onKeyframe(keyframe: PlacedPacket): void {
    const parameters = keyframeParameters('h264', keyframe.bytes);
    if (parameters === undefined) return;
    const file = this.#file;
    const changed = file === undefined || !sameParameters(file.parameters, parameters);
    if (!changed && keyframe.timeUs - this.#segmentStartUs < LEAST_SEGMENT_US) return;
    this.#cut(keyframe.timeUs);
    if (changed) this.#beginFile(parameters, keyframe.timeUs);
  }

  /** Ends the segment that is open. */
  #cut(timeUs: number): void {
    const media = this.#file?.media;
    if (media === undefined) return;
    media.flush();
    const bytes = media.drain();
    const startUs = this.#segmentStartUs;
    this.#segmentStartUs = timeUs;
    this.#report({ type: 'segment', bytes, startUs, durationUs: timeUs - startUs });
  }

  #beginFile(parameters: KeyframeParameters, originUs: number): void {
    this.close();
    const path = join(scratchDirectory(), `stream-kit-hls-${randomUUID()}.mp4`);
    let media: MediaFile;
    try {
      media = new MediaFile(path, 'mp4', parameters, this.#data.hasAudio);
    } finally {
      // Nobody else is to see it, and nothing is left of it when this process is killed.
      rmSync(path, { force: true });
    }
    this.#file = { media, parameters, originUs };
    this.#segmentStartUs = originUs;
    this.#report({ type: 'init', bytes: media.drain() });
  }
}

/** Memory where there is some: the muxer's file holds one segment at most. */
function scratchDirectory(): string {
  try {
    accessSync('/dev/shm', constants.R_OK | constants.W_OK | constants.X_OK);
    return '/dev/shm';
  } catch {
    return tmpdir();
  }
}
