import { AV_PIX_FMT_NV12 } from 'node-av/constants';
import type { Frame } from 'node-av/lib';

import { asError } from '../../base/errors.js';
import { AviSplitter } from './avi-splitter.js';
import type { VideoCodec } from './encoded-frame.js';
import { ffmpegArguments } from './ffmpeg-arguments.js';
import { FfmpegProcess } from './ffmpeg-process.js';
import { FlvSplitter } from './flv-splitter.js';
import { IvfSplitter } from './ivf-splitter.js';
import type { PictureSplitter } from './split-picture.js';
import type {
  CompressedPicture,
  PictureFormat,
  PictureTimes,
  VideoEncoder,
  VideoEncoderListener,
  VideoEncoderParameters,
} from './video-encoder.js';

/** Pictures that may be in a process at once; a newer one is left out. A start takes as long as about four. */
const MAX_PICTURES_WAITING = 6;
/** A process that has pictures to give and gives none for longer has hung; one that is starting may take longer. */
const HANG_TIMEOUT_MS = 2_000;
const START_TIMEOUT_MS = 5_000;
/** How long a process that was replaced may take to give what it has. */
const RETIRE_TIMEOUT_MS = 300;
/** How long one that was killed may take to end: longer, and it is stuck in a driver. */
const END_TIMEOUT_MS = 2_000;

export interface ProcessEncoderParameters extends VideoEncoderParameters {
  readonly ffmpegPath: string;
  /** FFmpeg's name of the encoder. */
  readonly name: string;
  readonly device: string | undefined;
}

interface WaitingPicture {
  readonly index: number;
  /** Undefined: it only primed the process. */
  readonly times: PictureTimes | undefined;
  readonly fedAtMs: number;
}

interface RawPicture {
  readonly format: 'i420' | 'nv12';
  readonly bytes: Uint8Array;
  readonly times: PictureTimes;
}

/** One process from its start to its end. */
interface Run {
  readonly process: FfmpegProcess;
  readonly waiting: WaitingPicture[];
  readonly format: RawPicture['format'];
  readonly bitrateBps: number;
  fed: number;
  /** Pictures that have come out, counting what only primed it. */
  received: number;
  /** When the newest of them came. */
  receivedAtMs: number;
  /** A picture of it, the first of which is a keyframe, has been handed on. */
  hasGiven: boolean;
  hasEnded: boolean;
}

/**
 * An FFmpeg of the user's own, in a process of its own: raw pictures in on a pipe, compressed ones out on another.
 *
 * FFmpeg takes neither a wish for a keyframe nor another bit rate while it runs. So a second process is started, and
 * primed with a picture whose outcome is thrown away; once that has come out, the next picture goes to the second
 * process, from which it comes out as a keyframe, and the first one ends. A driver may have no session for a second one: then the
 * first is ended before, and no picture comes until another one has started. Pictures of another format have another process
 * as well, which starts when all those before it have ended: one of them may have had the last session.
 */
export class ProcessVideoEncoder implements VideoEncoder {
  readonly codec: VideoCodec;
  readonly name: string;
  readonly #listener: VideoEncoderListener;
  #parameters: ProcessEncoderParameters;
  #current: Run | undefined;
  #next: Run | undefined;
  /** Those that were killed and have not ended. */
  readonly #killed = new Set<Run>();
  /** Their end is waited for, so long; the next process starts after it. */
  #ending: NodeJS.Timeout | undefined;
  /** The newest picture that came meanwhile. */
  #kept: RawPicture | undefined;
  #retiring: { readonly run: Run; readonly timer: NodeJS.Timeout } | undefined;
  /** What the new process gave while the one before it still had something to give. */
  #held: CompressedPicture[] = [];
  #closed = false;

  constructor(parameters: ProcessEncoderParameters, listener: VideoEncoderListener) {
    this.codec = parameters.codec;
    this.name = `ffmpeg:${parameters.name}`;
    this.#parameters = parameters;
    this.#listener = listener;
  }

  encode(picture: Frame, times: PictureTimes, keyframe: boolean): void {
    if (this.#closed) return;
    const format = picture.format === AV_PIX_FMT_NV12 ? 'nv12' : 'i420';
    const raw = Buffer.concat(planesOf(picture, this.#parameters));
    if (this.#current && this.#current.format !== format) this.#endCurrent();
    if (this.#ending) {
      this.#dropKept();
      this.#kept = { format, bytes: raw, times };
      return;
    }
    this.#current ??= this.#start(format, 0);
    const next = this.#next;
    if (next && next.received > 0) this.#switchTo(next);
    const current = this.#current;
    this.#checkAnswers(current);
    if (this.#next) this.#checkAnswers(this.#next);
    if (current.waiting.length >= MAX_PICTURES_WAITING) {
      this.#listener.onDropped();
    } else {
      this.#feed(current, raw, times);
    }
    // The first picture that a process gives is a keyframe anyway, and may be under way.
    const wantsNext = (keyframe && current.hasGiven) || current.bitrateBps !== this.#parameters.bitrateBps;
    if (wantsNext && !this.#next) this.#feed((this.#next = this.#start(format, 2)), raw, undefined);
  }

  /** The second process that this takes is started with the next picture. */
  setBitrate(bitrateBps: number): void {
    this.#parameters = { ...this.#parameters, bitrateBps };
  }

  reconfigure(size: PictureFormat): void {
    this.#parameters = { ...this.#parameters, ...size };
    this.#dropKept();
    this.#endCurrent();
  }

  close(): void {
    this.#closed = true;
    this.#endAll();
  }

  #start(format: RawPicture['format'], leadingKeyframes: number): Run {
    const { ffmpegPath, codec, frameRate, bitrateBps } = this.#parameters;
    const splitter = splitterFor(codec, frameRate);
    const run: Run = {
      format,
      bitrateBps,
      waiting: [],
      fed: 0,
      received: 0,
      receivedAtMs: 0,
      hasGiven: false,
      hasEnded: false,
      process: new FfmpegProcess(
        { path: ffmpegPath, ...ffmpegArguments({ ...this.#parameters, format, leadingKeyframes }) },
        {
          onOutput: (chunk) => this.#onOutput(run, splitter, chunk),
          onEnded: (error) => this.#onEnded(run, error),
        },
      ),
    };
    return run;
  }

  #feed(run: Run, raw: Uint8Array, times: PictureTimes | undefined): void {
    run.waiting.push({ index: run.fed++, times, fedAtMs: performance.now() });
    run.process.write(raw);
  }

  #switchTo(next: Run): void {
    const before = this.#current;
    this.#current = next;
    this.#next = undefined;
    if (!before) return;
    before.process.end();
    const timer = setTimeout(() => this.#retire(), RETIRE_TIMEOUT_MS);
    this.#retire();
    this.#retiring = { run: before, timer };
    if (before.waiting.length === 0) this.#retire();
  }

  /** Nothing more is waited for from the process before this one. */
  #retire(): void {
    if (this.#retiring) {
      clearTimeout(this.#retiring.timer);
      this.#kill(this.#retiring.run);
      this.#retiring = undefined;
    }
    const held = this.#held.splice(0);
    if (this.#current && held.length > 0) this.#current.hasGiven = true;
    for (const picture of held) this.#listener.onCompressed(picture);
  }

  #onOutput(run: Run, splitter: PictureSplitter, chunk: Uint8Array): void {
    try {
      for (const { index, keyframe, bytes } of splitter.push(chunk)) {
        // A picture that the encoder left out is known by the one after it.
        while ((run.waiting[0]?.index ?? index) < index) {
          run.waiting.shift();
          this.#listener.onDropped();
        }
        const times = run.waiting.shift()?.times;
        run.received++;
        run.receivedAtMs = performance.now();
        if (times) this.#give(run, { bytes, keyframe, times });
      }
    } catch (error) {
      this.#fail(asError(error));
    }
  }

  #give(run: Run, picture: CompressedPicture): void {
    if (this.#closed) return;
    if (run === this.#current && this.#retiring) {
      this.#held.push(picture);
      return;
    }
    run.hasGiven = true;
    this.#listener.onCompressed(picture);
    if (run === this.#retiring?.run && run.waiting.length === 0) this.#retire();
  }

  #onEnded(run: Run, error: Error | undefined): void {
    if (this.#closed) return;
    run.hasEnded = true;
    if (this.#killed.delete(run)) {
      if (this.#ending && this.#killed.size === 0) this.#goOn();
    } else if (run === this.#retiring?.run) this.#retire();
    else if (run === this.#next) this.#endCurrent();
    else if (run === this.#current) this.#fail(error ?? new Error('FFmpeg ended by itself'));
  }

  #kill(run: Run): void {
    if (run.hasEnded) return;
    this.#killed.add(run);
    run.process.kill();
  }

  /**
   * The next one starts once all have ended: there may be no room beside them. If that was not the reason, the next one fails as
   * well.
   */
  #endCurrent(): void {
    this.#retire();
    const current = this.#current;
    const next = this.#next;
    this.#current = undefined;
    this.#next = undefined;
    if (next) this.#kill(next);
    if (!current) return;
    this.#kill(current);
    this.#ending = setTimeout(() => this.#fail(new Error('FFmpeg does not end')), END_TIMEOUT_MS);
    for (const { times } of current.waiting) if (times) this.#listener.onDropped();
  }

  #goOn(): void {
    const kept = this.#kept;
    this.#forgetEnding();
    if (!kept) return;
    try {
      this.#current = this.#start(kept.format, 0);
      this.#feed(this.#current, kept.bytes, kept.times);
    } catch (error) {
      this.#fail(asError(error));
    }
  }

  #dropKept(): void {
    if (this.#kept) this.#listener.onDropped();
    this.#kept = undefined;
  }

  #forgetEnding(): void {
    clearTimeout(this.#ending);
    this.#ending = undefined;
    this.#kept = undefined;
  }

  #checkAnswers(run: Run): void {
    if (!isOverdue(run)) return;
    // After this thread itself has stood still, what the process gave meanwhile is read before the next turn of the loop.
    setImmediate(() => {
      const isInUse = run === this.#current || run === this.#next;
      if (isInUse && isOverdue(run)) this.#fail(new Error('FFmpeg does not answer'));
    });
  }

  #fail(error: Error): void {
    if (this.#closed) return;
    this.close();
    this.#listener.onFailed(error);
  }

  #endAll(): void {
    const runs = [this.#current, this.#next, this.#retiring?.run];
    clearTimeout(this.#retiring?.timer);
    this.#current = undefined;
    this.#next = undefined;
    this.#retiring = undefined;
    this.#forgetEnding();
    this.#held = [];
    for (const run of runs) run?.process.kill();
  }
}

function splitterFor(codec: VideoCodec, frameRate: number): PictureSplitter {
  if (codec === 'h264') return new FlvSplitter(frameRate);
  return codec === 'h265' ? new AviSplitter() : new IvfSplitter(codec);
}

function isOverdue({ waiting, received, receivedAtMs }: Run): boolean {
  const [oldest] = waiting;
  if (!oldest) return false;
  // What was fed while the process started could not come out before.
  const silentMs = performance.now() - Math.max(oldest.fedAtMs, receivedAtMs);
  return silentMs > (received === 0 ? START_TIMEOUT_MS : HANG_TIMEOUT_MS);
}

/** The planes without padding. */
function planesOf(picture: Frame, { width, height }: PictureFormat): Uint8Array[] {
  const luma = width * height;
  const sizes = picture.format === AV_PIX_FMT_NV12 ? [luma, luma / 2] : [luma, luma / 4, luma / 4];
  const planes = picture.data;
  return sizes.map((bytes, index) => {
    const plane = planes?.[index];
    if (!plane || plane.byteLength < bytes) throw new Error('A picture is not of the size that it should be');
    return plane.subarray(0, bytes);
  });
}
