import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';

import { StreamKitError } from '../../../../src/base/errors.js';
import type { Logger } from '../../../../src/base/logger.js';
import { gpuOption } from '../../../../src/options/gpu-option.js';
import {
  browserIdentity,
  GraphicsSelection,
  type GraphicsSelectionParameters,
  verdictKey,
} from '../../../../src/render/graphics/graphics-selection.js';
import type {
  TrialOutcome,
  TrialParameters,
  TryRenderer,
} from '../../../../src/render/graphics/renderer-trial.js';
import { VerdictFile } from '../../../../src/render/graphics/verdict-file.js';
import { FakeRoot } from './fake-root.js';

const WORKS: TrialOutcome = {
  end: 'done',
  facts: { renderer: 'ANGLE (AMD, Radeon)', webgl2: true, webgpu: false, framesPerSecond: 30 },
};

let tried: TrialParameters[];
let logged: string[];
let folder: string;

beforeEach(() => {
  tried = [];
  logged = [];
  folder = mkdtempSync(join(tmpdir(), 'stream-kit-graphics-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
});

const logger: Logger = {
  debug: () => undefined,
  info: (_context, message) => void logged.push(message),
  warn: (_context, message) => void logged.push(message),
  error: (_context, message) => void logged.push(message),
  child: () => logger,
};

/** @param outcome - of every way to draw. */
function select(
  root: FakeRoot,
  more: Partial<GraphicsSelectionParameters> = {},
  outcome: TrialOutcome = WORKS,
): GraphicsSelection {
  return new GraphicsSelection({
    gpu: 'auto',
    // It answers to --version, as a browser does.
    launchOptions: { executablePath: process.execPath },
    file: new VerdictFile(join(folder, 'graphics.json')),
    tryRenderer: (parameters) => {
      tried.push(parameters);
      return Promise.resolve(outcome);
    },
    ...{ root: root.path, logger, ...more },
  });
}

const oneCard = (): FakeRoot =>
  new FakeRoot().renderNode('renderD128', '0000:03:00.0', '1002', '73bf', 'amdgpu');
const twoCards = (): FakeRoot =>
  new FakeRoot()
    .renderNode('renderD128', '0000:03:00.0', '1002', '73bf', 'amdgpu')
    .renderNode('renderD129', '0000:04:00.0', '8086', '56a0', 'i915');

describe('GraphicsSelection', () => {
  it.each([
    ['there is no device', () => new FakeRoot(), {}],
    ['it is off', twoCards, { gpu: 'off' }],
    [
      "the user's own flags decide",
      twoCards,
      { launchOptions: { executablePath: process.execPath, args: ['--use-angle=gl-egl'] } },
    ],
  ] as const)('tries nothing where %s', async (_why, root, more) => {
    const selection = select(root(), more as Partial<GraphicsSelectionParameters>);
    expect(selection.isSettled).toBe(true);
    await selection.ready();
    expect(tried).toEqual([]);
    expect(selection.launchOptions({ args: ['--lang=de'] })).toEqual({ args: ['--lang=de'] });
    expect(selection.renderingOf({ name: 'SwiftShader', software: true }, {}).fallback).toBe(false);
    expect(logged).toEqual([]);
  });

  it('sessions launch as the first way that works, and the options of the user come last', async () => {
    const selection = select(oneCard());
    expect(selection.isSettled).toBe(false);
    await selection.ready();
    const launched = selection.launchOptions({ args: ['--lang=de'] });
    const { args } = launched;
    expect(args?.[0]).toBe('--use-angle=vulkan');
    expect(args?.at(-1)).toBe('--lang=de');
    expect(logged).toEqual(['pages are drawn on the GPU']);
    expect(selection.renderingOf({ name: 'ANGLE (AMD, Radeon)', software: false }, launched)).toEqual({
      renderer: 'ANGLE (AMD, Radeon)',
      software: false,
      fallback: false,
    });
    const fallen = { name: 'llvmpipe', software: true };
    expect(selection.renderingOf(fallen, selection.launchOptions({})).fallback).toBe(true);
    // A session that did not wait for the trials.
    expect(selection.renderingOf(fallen, { args: ['--lang=de'] }).fallback).toBe(false);
  });

  it('says so where a machine with a device draws on the CPU, and does not call that a fallback', async () => {
    const selection = select(oneCard(), {}, { end: 'hung', stage: 'the launch' });
    await selection.ready();
    expect(selection.launchOptions({})).toEqual({});
    expect(logged).toEqual(['pages are drawn on the CPU although there is a GPU']);
    expect(selection.renderingOf({ name: 'SwiftShader', software: true }, {}).fallback).toBe(false);
  });

  it('draws on the device that is named', async () => {
    const selection = select(twoCards(), { gpu: { device: '/dev/dri/renderD129' } });
    await selection.ready();
    const lease = selection.take();
    expect(selection.take()?.device).toBe(lease?.device);
    const { args, ...rest } = selection.launchOptions({}, lease?.device);
    expect(args).toContain('--render-node-override=/dev/dri/renderD129');
    // Nothing of the environment of this process: what is added to it travels alone.
    expect(rest).toEqual({ addedEnv: { DRI_PRIME: 'pci-0000_04_00_0!' } });
    expect(tried[0]?.launchOptions.args).toContain('--render-node-override=/dev/dri/renderD129');
  });

  it('spreads sessions over the devices that draw, each by its own way', async () => {
    const selection = select(twoCards(), {
      tryRenderer: ({ launchOptions: { args = [] } }) => {
        const isIntel = args.includes('--render-node-override=/dev/dri/renderD129');
        const works = !isIntel || args.includes('--use-angle=gl-egl');
        return Promise.resolve(works ? WORKS : { end: 'hung', stage: 'the launch' });
      },
    });
    await selection.ready();
    const leases = [selection.take(), selection.take(), selection.take()];
    expect(leases.map((lease) => lease?.device.path)).toEqual([
      '/dev/dri/renderD128',
      '/dev/dri/renderD129',
      '/dev/dri/renderD128',
    ]);
    const angle = (index: number): string | undefined =>
      selection.launchOptions({}, leases[index]?.device).args?.[0];
    expect([angle(0), angle(1)]).toEqual(['--use-angle=vulkan', '--use-angle=gl-egl']);
  });

  it('tells two cards of one model apart, by their addresses', async () => {
    const root = twoCards().renderNode('renderD130', '0000:05:00.0', '1002', '73bf', 'amdgpu');
    const angle =
      (name: string): TryRenderer =>
      ({ launchOptions: { args = [] } }) =>
        Promise.resolve(args.includes(`--use-angle=${name}`) ? WORKS : { end: 'hung', stage: 'WebGL' });
    const environments = async (name: string): Promise<unknown[]> => {
      const file = new VerdictFile(join(folder, `${name}.json`));
      const selection = select(root, { file, tryRenderer: angle(name) });
      await selection.ready();
      return [1, 2, 3].map(() => selection.launchOptions({}, selection.take()?.device).addedEnv);
    };
    const addresses = ['pci-0000_03_00_0', 'pci-0000_04_00_0', 'pci-0000_05_00_0'];
    // Mesa's OpenGL knows no "!".
    expect(await environments('gl-egl')).toEqual(addresses.map((DRI_PRIME) => ({ DRI_PRIME })));
    expect(await environments('vulkan')).toEqual(addresses.map((address) => ({ DRI_PRIME: `${address}!` })));
  });

  it("does not spread sessions over NVIDIA's devices, of which its driver chooses", async () => {
    const selection = select(new FakeRoot().nvidia(0, '0000:17:00.0').nvidia(1, '0000:65:00.0'));
    await selection.ready();
    expect(tried).toHaveLength(1);
    expect(selection.take()).toBeUndefined();
    expect(selection.launchOptions({}).args?.[0]).toBe('--use-angle=vulkan');

    const mixed = select(oneCard().nvidia(0, '0000:17:00.0').nvidia(1, '0000:65:00.0'));
    await mixed.ready();
    const places = [1, 2, 3].map(() => mixed.take()?.device.path);
    expect(places).toEqual(['/dev/dri/renderD128', '/dev/nvidia0', '/dev/dri/renderD128']);
  });

  it('leaves out a device that does not draw', async () => {
    const selection = select(twoCards(), {
      tryRenderer: ({ launchOptions: { args = [] } }) => {
        const isIntel = args.includes('--render-node-override=/dev/dri/renderD129');
        return Promise.resolve(isIntel ? WORKS : { end: 'hung', stage: 'the launch' });
      },
    });
    await selection.ready();
    const paths = [selection.take(), selection.take()].map((lease) => lease?.device.path);
    expect(paths).toEqual(['/dev/dri/renderD129', '/dev/dri/renderD129']);
  });

  it('refuses a device that the machine does not have, and names those that it has', () => {
    const make = (): unknown => select(twoCards(), { gpu: { device: '/dev/dri/renderD130' } });
    expect(make).toThrow(StreamKitError);
    expect(make).toThrow(
      'Expected a graphics device of this machine for gpu.device but received /dev/dri/renderD130; ' +
        'found: /dev/dri/renderD128, /dev/dri/renderD129',
    );
  });

  it('gives up what it tries when the router closes', async () => {
    const selection = select(twoCards(), {
      tryRenderer: ({ signal }) =>
        new Promise((resolve) => {
          const end = (): void => resolve({ end: 'failed', stage: 'the launch', reason: 'given up' });
          signal.addEventListener('abort', end);
          selection.close();
        }),
    });
    await selection.ready();
    expect(logged).toEqual([]);
  });
});

describe('verdictKey', () => {
  const key = (launchOptions: Parameters<typeof verdictKey>[3]): string =>
    verdictKey('Chromium 156', [], undefined, launchOptions, '/nowhere');

  it('is another one for other flags, another environment, and with a window', () => {
    const keys = [
      {},
      { args: ['--disable-gpu-compositing'] },
      { env: { LIBGL_ALWAYS_SOFTWARE: '1' } },
      { env: { LIBGL_ALWAYS_SOFTWARE: '0' } },
      { headless: false },
    ].map(key);
    expect(new Set(keys).size).toBe(keys.length);
    expect(key({ args: [], headless: true })).toBe(key({}));
    expect(key({ env: { A: '1', B: '2' } })).toBe(key({ env: { B: '2', A: '1' } }));
  });

  it('holds no option in the clear', () => {
    const found = key({ args: ['--user-agent=hidden'], env: { TOKEN_NAME: 'a-secret' } });
    expect(found).not.toMatch(/hidden|TOKEN_NAME|a-secret/);
  });
});

it('the version of a browser that is gone is its path', async () => {
  expect(await browserIdentity('/nowhere/chromium')).toBe('/nowhere/chromium');
});

describe('gpuOption', () => {
  it.each(['auto', 'off', { device: '/dev/dri/renderD128' }, { device: '/dev/nvidia0' }, { device: '1' }])(
    'takes %j',
    (value) => {
      expect(gpuOption(value, 'gpu')).toEqual(value);
    },
  );

  it.each([
    [true, "Expected 'auto', 'off' or { device } for gpu but received true of type boolean"],
    [{}, 'for gpu.device but received undefined'],
    [{ device: '/dev/dri/card0' }, "for gpu.device but received '/dev/dri/card0' of type string"],
    [{ device: '/dev/dri/renderD128 --no-sandbox' }, 'for gpu.device but received'],
    [{ device: '0', flags: [] }, 'gpu'],
  ])('refuses %j', (value, message) => {
    expect(() => gpuOption(value, 'gpu')).toThrow(message);
  });
});
