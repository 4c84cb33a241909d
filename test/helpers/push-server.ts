import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';

import { expect } from 'vitest';

import { PATIENCE_MS } from './patience.js';

const run = promisify(execFile);

/** FFmpeg as a server of RTMP or SRT for one stream, which it keeps as it comes. */
export class PushServer {
  readonly #process: ChildProcess;
  readonly #over: Promise<unknown>;
  #said = '';
  #pictures = 0;

  private constructor(process: ChildProcess) {
    this.#process = process;
    this.#over = once(process, 'close');
    process.stdout?.on('data', (text: Buffer) => {
      const [last] = [...String(text).matchAll(/^frame=\s*(\d+)/gm)].slice(-1);
      this.#pictures = Number(last?.[1] ?? this.#pictures);
    });
    process.stderr?.on('data', (text: Buffer) => void (this.#said += String(text)));
  }

  /** @param path - of the Matroska file. */
  static start(url: string, path: string): PushServer {
    const input = url.startsWith('rtmp') ? ['-listen', '1', '-i', url] : ['-i', url];
    const quick = ['-probesize', '500000', '-analyzeduration', '1000000'];
    const output = ['-c', 'copy', '-f', 'matroska', path];
    const listening = [
      '-v',
      'verbose',
      '-progress',
      'pipe:1',
      '-stats_period',
      '0.2',
      '-y',
      ...quick,
      ...input,
    ];
    return new PushServer(spawn('ffmpeg', [...listening, ...output], { stdio: ['ignore', 'pipe', 'pipe'] }));
  }

  /** What it has written to its log. */
  get said(): string {
    return this.#said;
  }

  async untilPictures(count: number): Promise<void> {
    await expect
      .poll(() => this.#pictures, { timeout: 2 * PATIENCE_MS, message: 'pictures that came' })
      .toBeGreaterThanOrEqual(count);
  }

  /** It ends by itself with its stream. */
  async untilOver(): Promise<void> {
    await this.#over;
  }

  async close(): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.#over;
  }
}

/** What each encoded picture of a file contains, in its order, without parameter sets and the like. */
export async function picturesOf(path: string): Promise<string[]> {
  const { stdout } = await run('ffmpeg', [
    ...['-v', 'error', '-i', path, '-map', '0:v', '-c', 'copy'],
    ...['-bsf:v', 'h264_mp4toannexb,filter_units=remove_types=6-9', '-f', 'framemd5', '-'],
  ]);
  return stdout
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split(',').at(-1)?.trim() ?? '');
}

/** How many pictures of a file differ from the one before when they are decoded. @throws where one does not decode. */
export async function movesOf(path: string): Promise<number> {
  const { stdout, stderr } = await run('ffmpeg', [
    ...['-v', 'error', '-xerror', '-i', path, '-map', '0:v', '-map', '0:a', '-f', 'framemd5', '-'],
  ]);
  if (stderr !== '') throw new Error(stderr);
  const lines = stdout.split('\n').filter((line) => line.startsWith('0,'));
  const sums = lines.map((line) => line.split(',').at(-1));
  return sums.filter((sum, index) => index > 0 && sum !== sums[index - 1]).length;
}
