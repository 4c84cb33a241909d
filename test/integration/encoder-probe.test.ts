import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import type { VideoCodec } from '../../src/protocol/video-codecs.js';
import { until } from '../helpers/patience.js';
import { root } from '../helpers/product.js';

// The child that tries the encoders is there only when built.
const { EncoderProbe } = (await import(
  join(root, 'dist/render/encode/encoder-probe.js')
)) as typeof import('../../src/render/encode/encoder-probe.js');

const candidate = (name: string, codec: VideoCodec = 'h264') => ({ name, codec, device: undefined });

/** Processes of the probe that this one started. */
function children(): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .filter((pid) => {
      try {
        const parent = / (\d+) /.exec(
          readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.slice(1) ?? '',
        );
        const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1');
        return Number(parent?.[1]) === process.pid && command.includes('encoder-probe-child');
      } catch {
        return false;
      }
    })
    .map(Number);
}

/** @returns the process that it was sent to */
async function signalChild(signal: NodeJS.Signals, other?: number): Promise<number> {
  const pid = await until(() => {
    const found = children().find((child) => child !== other);
    if (found === undefined) throw new Error('there is no child');
    return found;
  }, 1);
  process.kill(pid, signal);
  return pid;
}

describe('EncoderProbe', () => {
  it('tells what works, and in the words of FFmpeg why the rest does not', async () => {
    const names = ['libx264', 'h264_nvenc', 'no_such_encoder'];
    const probe = new EncoderProbe({
      candidates: [...names.map((name) => candidate(name)), candidate('libvpx', 'vp8')],
      timeoutMs: 50_000,
      measureMs: 200,
      keepsAlive: true,
    });
    const [x264, nvenc, unknown, vpx] = await probe.reports;
    for (const report of [x264, vpx]) {
      expect(report).toMatchObject({ works: true });
      expect(report?.framesPerSecond).toBeGreaterThan(0);
    }
    // This machine may have one.
    if (nvenc?.works !== true) expect(nvenc?.reason).toMatch(/cuda|nvenc|driver|device/i);
    expect(unknown).toMatchObject({ name: 'no_such_encoder', works: false });
    expect(children()).toEqual([]);
  });

  it('an encoder that kills its process is blamed, and the one after it is tried all the same', async () => {
    const probe = new EncoderProbe({
      candidates: [candidate('libx264'), candidate('libvpx', 'vp8')],
      // Whenever the signal comes, the child is not done with the encoder.
      ...{ timeoutMs: 600_000, measureMs: 300_000, keepsAlive: true },
    });
    const first = await signalChild('SIGSEGV');
    await signalChild('SIGILL', first);
    expect(await probe.reports).toEqual([
      { name: 'libx264', works: false, reason: 'trying it ended the process with SIGSEGV' },
      { name: 'libvpx', works: false, reason: 'trying it ended the process with SIGILL' },
    ]);
  });

  it('an encoder that hangs costs no more than the time given', async () => {
    const probe = new EncoderProbe({
      candidates: [candidate('libx264'), candidate('libvpx', 'vp8')],
      ...{ timeoutMs: 1500, measureMs: 300_000, keepsAlive: true },
    });
    await signalChild('SIGSTOP');
    // Nothing but the time given ends it.
    const [x264, vpx] = await probe.reports;
    expect(x264).toEqual({ name: 'libx264', works: false, reason: 'it did not answer in time', late: true });
    expect(vpx).toEqual({ name: 'libvpx', works: false, reason: 'there was no time to try it', late: true });
    expect(children()).toEqual([]);
  });
});
