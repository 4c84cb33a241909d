import { AV_LOG_ERROR, AV_LOG_VERBOSE, AV_PIX_FMT_YUV420P, type AVLogLevel } from 'node-av/constants';
import { Frame, Log } from 'node-av/lib';

import { asError } from '../../base/errors.js';
import { openVideoEncoder } from './encoder-candidate.js';
import type { EncoderReport, ProbedCandidate, ProbeLine, ProbeOrder } from './encoder-probe.js';
import type { VideoEncoder } from './video-encoder.js';

/** The process in which encoders are tried: what a driver does to it, it does to nobody else. */

const SIZE = { width: 1280, height: 720 } as const;
const FRAME_RATE = 60;
const BITRATE_BPS = 4_000_000;
const PICTURES = 3;
/** FFmpeg's log arrives through the event loop. */
const LOG_DELAY_MS = 20;
/** Said by nearly every encoder that fails, and of no help. */
const NOISE = /^\s*$|^Supported |^\s{2}/;

const log: { readonly level: AVLogLevel; readonly message: string }[] = [];

function write(line: ProbeLine): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** Pictures that move, so that there is something to encode. */
function paint(picture: Frame, index: number): void {
  const [luma, ...chroma] = picture.data ?? [];
  if (!luma) throw new Error('There is no memory for a picture');
  for (let at = 0; at < luma.length; at++) luma[at] = 16 + (((at >> 4) * 7 + index * 5) & 127);
  for (const plane of chroma) plane.fill(128);
}

class Trial {
  readonly #encoder: VideoEncoder;
  readonly #pictures: readonly Frame[];
  #index = 0;
  #answer: { resolve(): void; reject(error: Error): void } | undefined;

  constructor(candidate: ProbedCandidate) {
    this.#encoder = openVideoEncoder(
      candidate,
      { codec: candidate.codec, ...SIZE, frameRate: FRAME_RATE, bitrateBps: BITRATE_BPS, matrix: 'bt601' },
      {
        onCompressed: () => this.#answer?.resolve(),
        onDropped: () => this.#answer?.resolve(),
        onFailed: (error) => this.#answer?.reject(error),
      },
    );
    // Painting them takes longer than encoding them.
    this.#pictures = Array.from({ length: PICTURES }, (_, index) => {
      const picture = new Frame();
      picture.alloc();
      picture.width = SIZE.width;
      picture.height = SIZE.height;
      picture.format = AV_PIX_FMT_YUV420P;
      if (picture.getBuffer(1) < 0) throw new Error('There is no memory for a picture');
      paint(picture, index);
      return picture;
    });
  }

  async encode(): Promise<void> {
    const index = this.#index++;
    const picture = this.#pictures[index % PICTURES];
    if (!picture) return;
    const captureTimeUs = (index + 1) * (1_000_000 / FRAME_RATE);
    const answered = new Promise<void>((resolve, reject) => {
      this.#answer = { resolve, reject };
    });
    this.#encoder.encode(picture, { captureTimeUs, readTimeUs: captureTimeUs }, index === 0);
    await answered;
  }

  close(): void {
    this.#encoder.close();
    for (const picture of this.#pictures) picture.free();
  }
}

async function tryOne(candidate: ProbedCandidate, measureMs: number): Promise<EncoderReport> {
  const { name } = candidate;
  let trial: Trial | undefined;
  log.length = 0;
  try {
    trial = new Trial(candidate);
    for (let index = 0; index < PICTURES; index++) await trial.encode();
    if (measureMs === 0) return { name, works: true };
    const startMs = performance.now();
    let encoded = 0;
    while (performance.now() - startMs < measureMs) {
      await trial.encode();
      encoded++;
    }
    const framesPerSecond = Math.round((encoded * 1000) / (performance.now() - startMs));
    return { name, works: true, framesPerSecond };
  } catch (error) {
    await new Promise((resolve) => setTimeout(resolve, LOG_DELAY_MS));
    return { name, works: false, reason: reasonOf(asError(error)) };
  } finally {
    trial?.close();
  }
}

/** FFmpeg's own words: its errors, or else the last that it said. */
function reasonOf(error: Error): string {
  const lines = log.filter(({ message }) => !NOISE.test(message));
  const errors = lines.filter(({ level }) => level <= AV_LOG_ERROR);
  const said = (errors.length > 0 ? errors : lines.slice(-1)).map(({ message }) => message.trim());
  return (said.length === 0 ? error.message : [...new Set(said)].join(' ')).slice(0, 500);
}

Log.setLevel(AV_LOG_VERBOSE);
Log.setCallback((level, message) => log.push({ level, message }), { maxLevel: AV_LOG_VERBOSE });
const { candidates, measureMs, endWithInput } = JSON.parse(process.argv[2] ?? '') as ProbeOrder;
if (endWithInput) process.stdin.on('end', () => process.exit(1)).resume();
for (const candidate of candidates) {
  write({ trying: candidate.name });
  write(await tryOne(candidate, measureMs));
}
process.exit(0);
