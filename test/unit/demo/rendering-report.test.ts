import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';

import {
  renderingForDoctor,
  type RenderingReportParameters,
  reportRendering,
} from '../../../src/demo/rendering-report.js';
import { silentLogger } from '../../../src/base/logger.js';
import { GraphicsSelection } from '../../../src/render/graphics/graphics-selection.js';
import type { TrialOutcome, TryRenderer } from '../../../src/render/graphics/renderer-trial.js';
import { VerdictFile } from '../../../src/render/graphics/verdict-file.js';
import { FakeRoot } from '../render/graphics/fake-root.js';

const WORKS: TrialOutcome = {
  end: 'done',
  facts: { renderer: 'ANGLE (AMD, Radeon)', webgl2: true, webgpu: false, framesPerSecond: 30 },
};
/** It answers to --version, as a browser does. */
const launchOptions = { executablePath: process.execPath, args: ['--lang=de'] };

let file: VerdictFile;
let tried: (readonly string[])[];

beforeEach(() => {
  const folder = mkdtempSync(join(tmpdir(), 'stream-kit-report-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  file = new VerdictFile(join(folder, 'graphics.json'));
  tried = [];
});

const tryRenderer: TryRenderer = ({ launchOptions: { args = [] } }) => {
  tried.push(args);
  return Promise.resolve(WORKS);
};

const twoCards = (): FakeRoot =>
  new FakeRoot()
    .renderNode('renderD128', '0000:03:00.0', '1002', '73bf', 'amdgpu')
    .renderNode('renderD129', '0000:04:00.0', '8086', '56a0', 'i915');

const report = (root: FakeRoot, more: RenderingReportParameters = {}): ReturnType<typeof reportRendering> =>
  reportRendering({ launchOptions, root: root.path, file, tryRenderer, ...more });

describe('reportRendering', () => {
  it('stores what it finds where a server with the same options looks for it, for each device', async () => {
    const root = twoCards();
    const { lines, launchOptions: chosen } = await report(root);
    expect(lines.filter((line) => line.startsWith('  on '))).toEqual([
      '  on /dev/dri/renderD128:',
      '  on /dev/dri/renderD129:',
    ]);
    expect(chosen.args).toContain('--render-node-override=/dev/dri/renderD128');
    expect(chosen.args).toContain('--lang=de');
    tried = [];
    const server = new GraphicsSelection({
      ...{ gpu: 'auto', launchOptions, logger: silentLogger, root: root.path, file, tryRenderer },
    });
    await server.ready();
    expect(tried).toEqual([]);
    expect([server.take(), server.take()].map((lease) => lease?.device.path)).toEqual([
      '/dev/dri/renderD128',
      '/dev/dri/renderD129',
    ]);
  });

  it('refuses a device that the machine does not have, as the router does', async () => {
    await expect(report(twoCards(), { device: '/dev/dri/renderD130' })).rejects.toMatchObject({
      code: 'bad_option',
      message: expect.stringContaining('found: /dev/dri/renderD128, /dev/dri/renderD129') as string,
    });
    expect(tried).toEqual([]);
  });

  it.each([
    ['there is no device', () => new FakeRoot(), 'no device: '],
    [
      'no device may be used',
      () => twoCards().without('dev/dri/renderD128', 'dev/dri/renderD129'),
      'not tried: ',
    ],
  ])('tries nothing where %s', async (_why, root, line) => {
    const { lines, launchOptions: chosen } = await report(root());
    expect(lines.at(-1)).toMatch(new RegExp(`^ {2}${line}`));
    expect(chosen).toEqual(launchOptions);
    expect(tried).toEqual([]);
  });

  it("tries nothing where the user's own flags decide", async () => {
    const given = { ...launchOptions, args: ['--use-gl=egl'] };
    expect((await report(twoCards(), { launchOptions: given })).lines.at(-1)).toContain('not tried: args');
    expect(tried).toEqual([]);
  });

  it('says that there is no browser', async () => {
    const given = { executablePath: '/nowhere/chromium' };
    await expect(report(twoCards(), { launchOptions: given })).rejects.toMatchObject({
      code: 'browser_not_found',
    });
    expect(() => readFileSync(file.path ?? '')).toThrow('ENOENT');
  });
});

describe('renderingForDoctor', () => {
  const forDoctor = (more: RenderingReportParameters): ReturnType<typeof renderingForDoctor> =>
    renderingForDoctor({ launchOptions, root: twoCards().path, file, tryRenderer, ...more });

  it('reports that there is no browser', async () => {
    const given = { executablePath: '/nowhere/chromium' };
    expect(await forDoctor({ launchOptions: given })).toEqual({
      lines: [expect.stringMatching(/^Rendering/), '  not tried: there is no browser'],
      launchOptions: given,
    });
  });

  it('hides no other failure', async () => {
    await expect(forDoctor({ device: '/dev/dri/renderD130' })).rejects.toMatchObject({ code: 'bad_option' });
    const broken: TryRenderer = () => Promise.reject(new Error('a fault of ours'));
    await expect(forDoctor({ tryRenderer: broken })).rejects.toThrow('a fault of ours');
  });
});
