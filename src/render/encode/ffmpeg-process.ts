import { PassThrough, Writable } from 'node:stream';

import ffmpeg, { type FfmpegCommand } from 'fluent-ffmpeg';

import { asError } from '../../base/errors.js';

export interface FfmpegProcessParameters {
  /** The program. */
  readonly path: string;
  readonly inputOptions: readonly string[];
  readonly outputOptions: readonly string[];
}

export interface FfmpegProcessListener {
  onOutput(chunk: Uint8Array): void;
  /** It has ended, whether it was asked to or not. At most once. */
  onEnded(error: Error | undefined): void;
}

/** An FFmpeg that reads from a pipe and writes to a pipe. This file alone knows fluent-ffmpeg. */
export class FfmpegProcess {
  readonly #command: FfmpegCommand;
  readonly #input = new PassThrough();
  #killed = false;
  #ended = false;

  constructor(
    { path, inputOptions, outputOptions }: FfmpegProcessParameters,
    listener: FfmpegProcessListener,
  ) {
    const output = new Writable({
      write: (chunk: Uint8Array, _encoding, done) => {
        if (!this.#killed) listener.onOutput(chunk);
        done();
      },
    });
    const end = (error: Error | undefined): void => {
      if (this.#ended) return;
      this.#ended = true;
      this.#input.destroy();
      listener.onEnded(error);
    };
    // What is written to a process that is gone is lost; its end is reported by itself.
    this.#input.on('error', () => undefined);
    this.#command = ffmpeg({ source: this.#input, stdoutLines: 20 })
      .setFfmpegPath(path)
      .inputOptions([...inputOptions])
      .output(output)
      .outputOptions([...outputOptions])
      // It prepares before it starts its process, which there is nothing to kill of until then.
      .on('start', () => {
        if (this.#killed) this.#command.kill('SIGKILL');
      })
      .on('error', (error: unknown) => end(asError(error)))
      .on('end', () => end(undefined));
    this.#command.run();
  }

  /** Not bounded: the caller counts what has not come out yet. */
  write(chunk: Uint8Array): void {
    if (!this.#killed && !this.#ended) this.#input.write(chunk);
  }

  /** No more input: what is under way still comes out, then the process ends. */
  end(): void {
    if (!this.#ended) this.#input.end();
  }

  /** At once; no more output comes. Idempotent. */
  kill(): void {
    this.#killed = true;
    if (!this.#ended) this.#command.kill('SIGKILL');
  }
}
