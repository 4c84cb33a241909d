import { chmod, copyFile, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, it } from 'vitest';

import type { VideoEncoderStats } from '../../src/render/encode/encode-thread.js';
import type { Render, RenderListener } from '../../src/render/render.js';
import { systemClock } from '../../src/base/clock.js';
import { silentLogger } from '../../src/base/logger.js';
import { DEFAULT_TARGET_POLICY } from '../../src/options/target-policy-options.js';
import { EncoderSelection, openMediaPlane, openRemoteRenders } from '../helpers/built-renders.js';

const PATIENT_MS = 60_000;
const FULL = 'h264_nvenc is not used: its device takes no more than 2 at once';
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stream-kit-limit-'));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

it('sessions beyond what a driver takes are encoded in software, until one of the others ends', async () => {
  const ffmpegPath = join(folder, 'sessions-2.mjs');
  await copyFile(join(import.meta.dirname, '../fixtures/fake-driver.mjs'), ffmpegPath);
  await chmod(ffmpegPath, 0o755);
  const plane = openMediaPlane({
    mediaPlane: 'native',
    udpPort: 0,
    clock: systemClock,
    logger: silentLogger,
  });
  const encoders = new EncoderSelection({
    choice: { h264: 'h264_nvenc', vp8: 'libvpx', vp9: 'libvpx-vp9', av1: 'libsvtav1', h265: 'libx265' },
    ...{ device: undefined, ffmpegPath, logger: silentLogger },
  });
  await encoders.ready();
  const renders = openRemoteRenders({
    ...{ launchOptions: {}, capture: 'tab', mediaPlane: plane, soundDtx: false, lipSyncToleranceMs: 80 },
    ...{ launchTimeoutMs: PATIENT_MS, loadTimeoutMs: PATIENT_MS, hangTimeoutMs: PATIENT_MS },
    ...{ onEgressRefused: () => undefined, logger: silentLogger, encoders },
    targetPolicy: { ...DEFAULT_TARGET_POLICY, allowPrivateAddresses: true },
    graphics: {
      ...{ ready: () => Promise.resolve(), take: () => undefined, launchOptions: (options) => options },
      renderingOf: ({ name, software }) => ({ renderer: name, software, fallback: false }),
      encoders: (candidates) => candidates,
    },
    sessionProcess: { spare: false, launchesAtOnce: 1, heapBytes: 128 * 2 ** 20 },
    limiter: {
      limit: () => ({ outOfMemory: false, close: () => Promise.resolve() }),
      close: () => undefined,
    },
  });
  const opened: Render[] = [];
  const open = async (): Promise<{ render: Render; encoder: () => (string | undefined)[] }> => {
    let stats: VideoEncoderStats | undefined;
    const listener = new Proxy({} as RenderListener, {
      get: (_target, name) =>
        name === 'onVideoStats' ? (measured: VideoEncoderStats) => (stats = measured) : () => undefined,
    });
    const render = await renders.open(
      {
        ...{ targetUrl: 'data:text/html,page', width: 320, height: 180, deviceScaleFactor: 1, frameRate: 10 },
        ...{ audio: false, initialData: null },
      },
      listener,
      AbortSignal.timeout(PATIENT_MS),
    );
    opened.push(render);
    render.startVideo('h264', { bitrateBps: 500_000 });
    return { render, encoder: () => [stats?.encoder, stats?.encoderReason] };
  };
  /** Another encoding in place of the one that runs. */
  const startAgain = (render: Render): void => {
    render.stopVideo('h264');
    render.startVideo('h264', { bitrateBps: 500_000 });
  };
  const driverSessions = async (): Promise<number> =>
    (await readdir(`${ffmpegPath}.sessions`)).filter((pid) => {
      try {
        return process.kill(Number(pid), 0);
      } catch {
        return false;
      }
    }).length;
  try {
    const [first, second] = [await open(), await open()];
    for (const { encoder } of [first, second])
      await expect.poll(encoder).toEqual(['ffmpeg:h264_nvenc', undefined]);
    const third = await open();
    const failed = 'h264_nvenc failed and was replaced';
    await expect.poll(third.encoder).toEqual(['ffmpeg:libx264', failed]);
    await expect
      .poll(() => encoders.seats.encodings)
      .toEqual([{ device: 'nvenc', running: 2, limit: 2, passedOver: 0 }]);

    // The driver is not even asked.
    startAgain(third.render);
    await expect.poll(third.encoder).toEqual(['ffmpeg:libx264', FULL]);
    expect(encoders.seats.encodings).toMatchObject([{ running: 2, limit: 2, passedOver: 1 }]);

    first.render.stopVideo('h264');
    await expect.poll(driverSessions).toBe(1);
    startAgain(third.render);
    await expect.poll(third.encoder).toEqual(['ffmpeg:h264_nvenc', undefined]);
    expect(encoders.seats.encodings).toMatchObject([{ running: 2, limit: 2, passedOver: 1 }]);
  } finally {
    await Promise.all(opened.map((render) => render.close()));
    encoders.close();
    await renders.close();
    await plane.close();
  }
  expect(encoders.seats.encodings).toMatchObject([{ running: 0 }]);
}, 300_000);
