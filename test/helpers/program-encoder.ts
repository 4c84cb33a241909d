import { readdirSync, readFileSync } from 'node:fs';

import type { VideoCodec } from '../../src/protocol/video-codecs.js';
import { ProcessVideoEncoder } from '../../src/render/encode/process-video-encoder.js';
import type { EncoderUnderTest } from '../integration/video-encoder-contract.js';
import { FFMPEG } from './session-processes.js';

export { FFMPEG } from './session-processes.js';

/** FFmpeg processes that this one started. */
export function ffmpegProcesses(): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .filter((pid) => {
      try {
        const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
        const program = readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0')[0];
        return Number(fields[1]) === process.pid && program === FFMPEG;
      } catch {
        return false;
      }
    })
    .map(Number);
}

/** An encoder of Debian's FFmpeg, in a process of its own. */
export function programEncoder(codec: VideoCodec, name: string): EncoderUnderTest {
  return {
    codec,
    open: (parameters, listener) =>
      new ProcessVideoEncoder({ ...parameters, name, device: undefined, ffmpegPath: FFMPEG }, listener),
    crash: () => {
      for (const pid of ffmpegProcesses()) process.kill(pid, 'SIGKILL');
      return Promise.resolve();
    },
    processes: ffmpegProcesses,
  };
}
