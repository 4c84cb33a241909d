import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { RenderingState } from '../../src/protocol/state-document.js';
import { DEFAULT_TARGET_POLICY } from '../../src/options/target-policy-options.js';
import type { RenderListener } from '../../src/render/render.js';
import { processesNaming } from '../../src/base/process-table.js';
import { systemClock } from '../../src/base/clock.js';
import { silentLogger } from '../../src/base/logger.js';
import {
  GraphicsSelection,
  VerdictFile,
  openMediaPlane,
  openRemoteRenders,
  tryRenderer,
} from '../helpers/built-renders.js';
import { until } from '../helpers/patience.js';
import { root } from '../helpers/product.js';
import { FakeRoot } from '../unit/render/graphics/fake-root.js';

/** Mesa draws on the CPU too, but by the same way as on a GPU: its EGL is a device that is not SwiftShader. */
const hasMesa = existsSync('/usr/share/glvnd/egl_vendor.d/50_mesa.json');
const isSwiftShader = (renderer: string): boolean => /swiftshader/i.test(renderer);
const PATIENT_MS = 50_000;

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stream-kit-graphics-'));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

/** A browser that does what the script says. */
async function program(name: string, script: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
  return path;
}

describe('a trial of a way to draw', () => {
  const trial = (executablePath: string, timeoutMs: number, signal = new AbortController().signal) =>
    tryRenderer({ launchOptions: { executablePath }, timeoutMs, signal, keepsAlive: true });

  it('whose browser hangs ends in time, and with it the browser', async () => {
    const mark = `sleep 98765.${process.pid}`;
    const browser = await program('hangs', `exec ${mark}`);
    expect(await trial(browser, 2_000)).toMatchObject({ end: 'hung' });
    await until(async () => expect(await processesNaming(mark.replace(' ', '\0'))).toEqual([]));
  });

  it('whose browser ends at once fails with a reason', async () => {
    const browser = await program('ends', 'echo "no usable driver" >&2; exit 7');
    expect(await trial(browser, PATIENT_MS)).toMatchObject({
      end: 'failed',
      stage: 'the launch',
      reason: expect.stringContaining('could not be started') as string,
    });
  });

  it('that nobody waits for keeps no process alive, and its browser goes with that', async () => {
    const mark = `sleep 98763.${process.pid}`;
    const launchOptions = { executablePath: await program('unwatched', `exec ${mark}`) };
    const parameters = { launchOptions, timeoutMs: 3_600_000, keepsAlive: false };
    const script = `
      import { tryRenderer } from ${JSON.stringify(join(root, 'dist/render/graphics/renderer-trial.js'))};
      void tryRenderer({ ...${JSON.stringify(parameters)}, signal: new AbortController().signal });
      process.stdin.resume().once('data', () => process.stdin.destroy());`;
    const host = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      stdio: ['pipe', 'ignore', 'inherit'],
    });
    const ended = once(host, 'exit');
    await until(async () => expect(await processesNaming(mark.replace(' ', '\0'))).toHaveLength(1));
    host.stdin.end('go on\n');
    expect(await ended).toEqual([0, null]);
    await until(async () => expect(await processesNaming(mark.replace(' ', '\0'))).toEqual([]));
  });

  it('that is given up fails, and leaves no browser', async () => {
    const mark = `sleep 98764.${process.pid}`;
    const browser = await program('given-up', `exec ${mark}`);
    const aborting = new AbortController();
    const outcome = trial(browser, PATIENT_MS, aborting.signal);
    await until(async () => expect(await processesNaming(mark.replace(' ', '\0'))).toHaveLength(1));
    aborting.abort();
    expect(await outcome).toMatchObject({ end: 'failed', reason: 'the trial was given up' });
    await until(async () => expect(await processesNaming(mark.replace(' ', '\0'))).toEqual([]));
  });
});

it.skipIf(!hasMesa)(
  'a way to draw that works is found, kept, used by a session, and its renderer reported',
  async () => {
    const file = new VerdictFile(join(folder, 'graphics.json'));
    const machine = new FakeRoot().renderNode('renderD128', '0000:03:00.0', '1002', '73bf', 'amdgpu');
    const select = (): InstanceType<typeof GraphicsSelection> =>
      new GraphicsSelection({
        ...{ gpu: 'auto', root: machine.path, file, logger: silentLogger, isSoftware: isSwiftShader },
        launchOptions: {},
        // On lavapipe Chromium's Vulkan has hung.
        tryRenderer: (parameters) => {
          if (parameters.launchOptions.args?.includes('--use-angle=vulkan') === true) {
            return Promise.resolve({ end: 'hung', stage: 'WebGL' });
          }
          // How fast pictures come depends on what else this machine does.
          return tryRenderer({ ...parameters, timeoutMs: PATIENT_MS }).then((outcome) =>
            outcome.end === 'done'
              ? {
                  end: 'done',
                  facts: { ...outcome.facts, framesPerSecond: outcome.facts.framesPerSecond + 20 },
                }
              : outcome,
          );
        },
      });
    const graphics = select();
    await graphics.ready();
    expect(graphics.launchOptions({}).args).toContain('--use-angle=gl-egl');
    const [found] = Object.values(
      (
        JSON.parse(readFileSync(file.path ?? '', 'utf8')) as {
          verdicts: Record<string, { reports: object[] }>;
        }
      ).verdicts,
    );
    expect(found?.reports).toMatchObject([
      { flagSet: 'vulkan', hung: true },
      {
        flagSet: 'gl-egl',
        works: true,
        webgl2: true,
        renderer: expect.stringContaining('llvmpipe') as string,
      },
    ]);

    const plane = openMediaPlane({
      mediaPlane: 'native',
      udpPort: 0,
      clock: systemClock,
      logger: silentLogger,
    });
    const renders = openRemoteRenders({
      ...{
        launchOptions: {},
        capture: 'tab',
        mediaPlane: plane,
        graphics,
        soundDtx: false,
        lipSyncToleranceMs: 80,
      },
      ...{ launchTimeoutMs: PATIENT_MS, loadTimeoutMs: PATIENT_MS, hangTimeoutMs: 60_000 },
      ...{ onEgressRefused: () => undefined, logger: silentLogger },
      targetPolicy: { ...DEFAULT_TARGET_POLICY, allowPrivateAddresses: true },
      encoders: { chosen: true, ready: () => Promise.resolve(), candidates: () => [] } as never,
      sessionProcess: { spare: false, launchesAtOnce: 2, heapBytes: 128 * 2 ** 20 },
      limiter: {
        limit: () => ({ outOfMemory: false, close: () => Promise.resolve() }),
        close: () => undefined,
      },
    });
    const told: RenderingState[] = [];
    const listener = new Proxy({} as RenderListener, {
      get: (_target, name) =>
        name === 'onRendering' ? (rendering: RenderingState) => void told.push(rendering) : () => undefined,
    });
    try {
      const render = await renders.open(
        {
          ...{
            targetUrl: 'data:text/html,drawn',
            width: 320,
            height: 180,
            deviceScaleFactor: 1,
            frameRate: 30,
          },
          ...{ audio: false, initialData: null },
        },
        listener,
        AbortSignal.timeout(PATIENT_MS),
      );
      try {
        expect(render.kind).toBe('tab');
        // The session finds out by itself that llvmpipe is no GPU: a fall to software looks the same.
        await until(() =>
          expect(told).toMatchObject([
            { renderer: expect.stringContaining('llvmpipe') as string, software: true, fallback: true },
          ]),
        );
      } finally {
        await render.close();
      }
    } finally {
      graphics.close();
      await renders.close();
      await plane.close();
    }
  },
  120_000,
);
