import { readdirSync, readFileSync } from 'node:fs';

import { AV_LOG_QUIET } from 'node-av/constants';
import { Log } from 'node-av/lib';
import { expect, it } from 'vitest';

import { LibavVideoEncoder } from '../../src/encode/libav-video-encoder.js';
import { ProcessVideoEncoder } from '../../src/encode/process-video-encoder.js';
import { describeVideoEncoder, type EncoderUnderTest } from './video-encoder-contract.js';

const ENCODERS = [
  ['h264', 'libx264'],
  ['vp8', 'libvpx'],
] as const;

Log.setLevel(AV_LOG_QUIET);

/** FFmpeg processes that this one started. */
function processes(): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .filter((pid) => {
      try {
        const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
        const program = readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0')[0];
        return Number(fields[1]) === process.pid && program === '/usr/bin/ffmpeg';
      } catch {
        return false;
      }
    })
    .map(Number);
}

for (const [codec, name] of ENCODERS) {
  describeVideoEncoder(`${name} in this process`, {
    codec,
    open: (parameters, listener) => new LibavVideoEncoder(name, undefined, parameters, listener),
  });
}

for (const [codec, name] of ENCODERS) {
  const subject: EncoderUnderTest = {
    codec,
    open: (parameters, listener) =>
      new ProcessVideoEncoder(
        { ...parameters, name, device: undefined, ffmpegPath: '/usr/bin/ffmpeg' },
        listener,
      ),
    crash: () => {
      for (const pid of processes()) process.kill(pid, 'SIGKILL');
      return Promise.resolve();
    },
    processes,
  };
  describeVideoEncoder(`${name} through /usr/bin/ffmpeg`, subject);
}

it('a program that is no FFmpeg is reported', async () => {
  const failure = await new Promise<Error>((resolve) => {
    const encoder = new ProcessVideoEncoder(
      {
        ...{ codec: 'h264', width: 64, height: 64, frameRate: 30, bitrateBps: 100_000, matrix: 'bt601' },
        ...{ name: 'libx264', device: undefined, ffmpegPath: '/bin/false' },
      },
      { onCompressed: () => undefined, onDropped: () => undefined, onFailed: resolve },
    );
    void import('./picture-source.js').then(({ PictureSource }) => {
      encoder.encode(new PictureSource(64, 64).picture(0), { captureTimeUs: 1, readTimeUs: 1 }, true);
    });
  });
  expect(failure).toBeInstanceOf(Error);
});
