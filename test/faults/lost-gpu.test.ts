import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, it, onTestFinished } from 'vitest';

import type { RenderingState } from '../../src/protocol/state-document.js';
import type { RestartableRenderListener } from '../../src/render/render.js';
import { systemClock } from '../../src/base/clock.js';
import { silentLogger } from '../../src/base/logger.js';
import { DEFAULT_TARGET_POLICY } from '../../src/options/target-policy-options.js';
import {
  GraphicsSelection,
  VerdictFile,
  createOpenRestartingRender,
  openMediaPlane,
  openRemoteRenders,
} from '../helpers/built-renders.js';
import { FakeRoot } from '../unit/render/graphics/fake-root.js';

const hasMesa = existsSync('/usr/share/glvnd/egl_vendor.d/50_mesa.json');
const PATIENT_MS = 60_000;
const PATIENTLY = { timeout: PATIENT_MS };
const FIRST = '/dev/dri/renderD128';
const SECOND = '/dev/dri/renderD129';

// Mesa draws on the CPU: to a session that is a GPU which has failed.
it.skipIf(!hasMesa)(
  'a session whose GPU is lost goes on on the other one, and then on the CPU',
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'stream-kit-lost-gpu-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const machine = new FakeRoot()
      .renderNode('renderD128', '0000:03:00.0', '1002', '73bf', 'amdgpu')
      .renderNode('renderD129', '0000:04:00.0', '1002', '73bf', 'amdgpu');
    const facts = { renderer: 'ANGLE (AMD, Radeon)', webgl2: true, webgpu: false, framesPerSecond: 30 };
    const graphics = new GraphicsSelection({
      ...{ gpu: 'auto', launchOptions: {}, root: machine.path, logger: silentLogger },
      file: new VerdictFile(join(folder, 'graphics.json')),
      tryRenderer: ({ launchOptions: { args = [] } }) =>
        Promise.resolve(
          args.includes('--use-angle=gl-egl')
            ? { end: 'done', facts }
            : { end: 'failed', stage: 'WebGL', reason: 'no driver' },
        ),
    });
    await graphics.ready();
    const placed: (string | undefined)[] = [];
    const plane = openMediaPlane({
      mediaPlane: 'native',
      udpPort: 0,
      clock: systemClock,
      logger: silentLogger,
    });
    const renders = openRemoteRenders({
      ...{ launchOptions: {}, capture: 'tab', mediaPlane: plane, soundDtx: false, lipSyncToleranceMs: 80 },
      ...{ launchTimeoutMs: PATIENT_MS, loadTimeoutMs: PATIENT_MS, hangTimeoutMs: PATIENT_MS },
      ...{ onEgressRefused: () => undefined, logger: silentLogger },
      targetPolicy: { ...DEFAULT_TARGET_POLICY, allowPrivateAddresses: true },
      encoders: { chosen: true, ready: () => Promise.resolve(), candidates: () => [] } as never,
      graphics: {
        ready: () => graphics.ready(),
        take: () => {
          const lease = graphics.take();
          placed.push(lease?.device.path);
          return lease;
        },
        launchOptions: (...options) => graphics.launchOptions(...options),
        renderingOf: (...given) => graphics.renderingOf(...given),
        encoders: (...given) => graphics.encoders(...given),
      },
      sessionProcess: { spare: false, launchesAtOnce: 1, heapBytes: 128 * 2 ** 20 },
      limiter: {
        limit: () => ({ outOfMemory: false, close: () => Promise.resolve() }),
        close: () => undefined,
      },
    });
    const told: unknown[] = [];
    const heard: Partial<RestartableRenderListener> = {
      onRendering: ({ fallback }: RenderingState) => void told.push({ fallback }),
      onRestarting: (reason) => void told.push(reason?.code),
      onRestarted: () => void told.push('restarted'),
      onEnded: ({ code }) => void told.push(`ended: ${code}`),
    };
    const openRender = createOpenRestartingRender({
      ...{ open: renders.open, restart: { attempts: 3, windowMs: 600_000 }, launchLimitMs: PATIENT_MS },
      ...{ clock: systemClock, logger: silentLogger },
    });
    const render = await openRender(
      {
        ...{
          targetUrl: 'data:text/html,drawn',
          width: 320,
          height: 180,
          deviceScaleFactor: 1,
          frameRate: 10,
        },
        ...{ audio: false, initialData: null },
      },
      new Proxy(heard as RestartableRenderListener, {
        get: (target, name) => Reflect.get(target, name) ?? (() => undefined),
      }),
      AbortSignal.timeout(PATIENT_MS),
    );
    try {
      await expect.poll(() => told.filter((one) => typeof one === 'object'), PATIENTLY).toHaveLength(2);
      await expect.poll(() => told, PATIENTLY).toContain('restarted');
      expect(told.filter((one) => typeof one === 'string')).toEqual(['gpu_lost', 'restarted']);
      expect(told).toContainEqual({ fallback: true });
      expect(placed).toEqual([FIRST, SECOND]);
    } finally {
      await render.close();
      graphics.close();
      await renders.close();
      await plane.close();
    }
  },
  240_000,
);
