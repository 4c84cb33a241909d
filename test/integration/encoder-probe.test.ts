import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it, vi } from 'vitest';

import { root } from '../helpers/product.js';

// The child that tries the encoders is there only when built.
const { EncoderProbe } = (await import(
  join(root, 'dist/encode/encoder-probe.js')
)) as typeof import('../../src/encode/encoder-probe.js');

const candidate = (name: string, codec: 'h264' | 'vp8' = 'h264') => ({ name, codec, device: undefined });

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

async function signalChild(signal: NodeJS.Signals): Promise<void> {
  const [pid] = await vi.waitFor(
    () => {
      const found = children();
      expect(found).not.toEqual([]);
      return found;
    },
    { interval: 1 },
  );
  if (pid !== undefined) process.kill(pid, signal);
}

describe('EncoderProbe', () => {
  it('tells what works, and in the words of FFmpeg why the rest does not', async () => {
    const names = ['libx264', 'h264_nvenc', 'no_such_encoder'];
    const probe = new EncoderProbe({
      candidates: [...names.map((name) => candidate(name)), candidate('libvpx', 'vp8')],
      timeoutMs: 10_000,
      measureMs: 200,
      keepsAlive: true,
    });
    const [x264, nvenc, unknown, vpx] = await probe.reports;
    for (const report of [x264, vpx]) {
      expect(report).toMatchObject({ works: true });
      expect(report?.framesPerSecond).toBeGreaterThan(10);
    }
    // This machine may have one.
    if (nvenc?.works !== true) expect(nvenc?.reason).toMatch(/cuda|nvenc|driver|device/i);
    expect(unknown).toMatchObject({ name: 'no_such_encoder', works: false });
    expect(children()).toEqual([]);
  });

  it('an encoder that kills its process is blamed, and the ones after it are tried all the same', async () => {
    const probe = new EncoderProbe({
      candidates: [candidate('libx264'), candidate('libvpx', 'vp8')],
      timeoutMs: 10_000,
      measureMs: 0,
      keepsAlive: true,
    });
    await signalChild('SIGSEGV');
    const [x264, vpx] = await probe.reports;
    expect(x264).toEqual({
      name: 'libx264',
      works: false,
      reason: 'trying it ended the process with SIGSEGV',
    });
    expect(vpx).toEqual({ name: 'libvpx', works: true });
  });

  it('an encoder that hangs costs no more than the time given', async () => {
    const startMs = performance.now();
    const probe = new EncoderProbe({
      candidates: [candidate('libx264'), candidate('libvpx', 'vp8')],
      timeoutMs: 400,
      measureMs: 0,
      keepsAlive: true,
    });
    await signalChild('SIGSTOP');
    const [x264, vpx] = await probe.reports;
    expect(performance.now() - startMs).toBeLessThan(1_000);
    expect(x264?.reason).toBe('it did not answer in time');
    expect(vpx?.reason).toBe('there was no time to try it');
    expect(children()).toEqual([]);
  });
});
