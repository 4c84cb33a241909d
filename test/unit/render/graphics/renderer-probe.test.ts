import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';

import { probeRenderers } from '../../../../src/render/graphics/renderer-probe.js';
import type { TrialOutcome, TrialParameters } from '../../../../src/render/graphics/renderer-trial.js';
import { VerdictFile, verdictPath } from '../../../../src/render/graphics/verdict-file.js';
import { FakeRoot } from './fake-root.js';

const DAY_MS = 24 * 60 * 60 * 1000;
const GOOD = { renderer: 'ANGLE (AMD, …)', webgl2: true, webgpu: true, framesPerSecond: 30 };
const done = (facts: Partial<typeof GOOD> = {}): TrialOutcome => ({
  end: 'done',
  facts: { ...GOOD, ...facts },
});
const HUNG: TrialOutcome = { end: 'hung', stage: 'WebGL' };
const FAILED: TrialOutcome = { end: 'failed', stage: 'the launch', reason: 'exit code 1' };
const LLVMPIPE = done({ renderer: 'ANGLE (Mesa/X.org, llvmpipe (LLVM 15.0.6, 256 bits), OpenGL 4.5)' });

let path: string;
let tried: string[];
let nowMs: number;
let aborting: AbortController;

beforeEach(() => {
  const folder = mkdtempSync(join(tmpdir(), 'stream-kit-verdict-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  path = join(folder, 'cache', 'graphics.json');
  tried = [];
  nowMs = 1_800_000_000_000;
  aborting = new AbortController();
});

/** The way to draw that a trial was started for, by its flags. */
function nameOf({ launchOptions: { args = [] } }: TrialParameters): string {
  const angle = args.find((flag) => flag.startsWith('--use-angle='));
  return angle?.slice('--use-angle='.length) ?? 'swiftshader';
}

function probe(
  outcomes: Readonly<Record<string, TrialOutcome>>,
  more: Partial<Parameters<typeof probeRenderers>[0]> = {},
): ReturnType<typeof probeRenderers> {
  return probeRenderers({
    launchOptions: { args: ['--lang=de'] },
    ...{ devices: [], device: undefined, key: 'Chromium 156 | amdgpu', file: new VerdictFile(path) },
    tryRenderer: (parameters) => {
      const name = nameOf(parameters);
      tried.push(name);
      expect(parameters.launchOptions.args).toContain('--lang=de');
      return Promise.resolve(outcomes[name] ?? FAILED);
    },
    ...{ thorough: false, keepsAlive: false, signal: aborting.signal, nowMs: () => nowMs },
    onNotStored: (error) => {
      throw error;
    },
    root: '/nowhere',
    ...more,
  });
}

describe('probeRenderers', () => {
  it('stops at the first way that draws on a GPU, and does not try it again at the next start', async () => {
    const reports = await probe({ vulkan: LLVMPIPE, 'gl-egl': done() });
    expect(reports.map(({ flagSet, works, reason }) => [flagSet, works, reason?.split(';')[0]])).toEqual([
      ['vulkan', false, 'draws on the CPU'],
      ['gl-egl', true, undefined],
    ]);
    expect(tried).toEqual(['vulkan', 'gl-egl']);
    nowMs += 1000;
    expect(await probe({})).toEqual(reports);
    expect(tried).toEqual(['vulkan', 'gl-egl']);
  });

  it.each([
    ['no WebGL', { renderer: '' }],
    ['no WebGL 2', { webgl2: false }],
    ['captures only 3 of 30 frames/s', { framesPerSecond: 3 }],
    ['draws on the CPU', { renderer: 'ANGLE (Google, Vulkan 1.3.0 (SwiftShader Device (Subzero)))' }],
  ])('refuses one because it has %s', async (reason, facts) => {
    const [vulkan] = await probe({ vulkan: done(facts) });
    expect(vulkan).toMatchObject({ flagSet: 'vulkan', works: false, hung: false });
    expect(vulkan?.reason?.split(';')[0]).toBe(reason);
  });

  it('what hung is tried again after a day, and never after the second time, not even when asked for all', async () => {
    await probe({ vulkan: HUNG, 'gl-egl': done() });
    tried = [];
    nowMs += DAY_MS - 1;
    expect((await probe({ 'gl-egl': done() }, { thorough: true }))[0]).toMatchObject({
      flagSet: 'vulkan',
      hung: true,
      reason: expect.stringContaining('no answer within 12 s, at WebGL') as string,
    });
    expect(tried).toEqual(['gl-egl', 'gl', 'swiftshader']);
    tried = [];
    nowMs += 1;
    await probe({ vulkan: HUNG });
    expect(tried).toEqual(['vulkan']);
    tried = [];
    nowMs += 30 * DAY_MS;
    const reports = await probe({ 'gl-egl': done(), gl: done() }, { thorough: true });
    expect(tried).toEqual(['gl-egl', 'gl', 'swiftshader']);
    expect(reports[0]).toMatchObject({ flagSet: 'vulkan', hung: true });
    tried = [];
    await probe({ vulkan: done() }, { key: 'Chromium 157 | amdgpu' });
    expect(tried).toEqual(['vulkan']);
  });

  it.each(['start', 'the launch'])(
    'what is late at %s is refused for a day, however often',
    async (stage) => {
      for (let day = 0; day < 3; day++) {
        const [vulkan] = await probe({ vulkan: { end: 'hung', stage }, 'gl-egl': done() });
        expect(vulkan).toMatchObject({ works: false, hung: false });
        nowMs += DAY_MS;
      }
      expect(await probe({ vulkan: done() })).toMatchObject([{ flagSet: 'vulkan', works: true }]);
    },
  );

  it('what could not be tried is tried at the next start, and what was known of it stays', async () => {
    const untried: TrialOutcome = { end: 'untried', reason: 'spawn ENOMEM' };
    await probe({ vulkan: HUNG, 'gl-egl': untried, gl: done() });
    nowMs += DAY_MS;
    expect(await probe({ vulkan: untried, 'gl-egl': done() })).toMatchObject([
      { flagSet: 'vulkan', works: false, hung: false, reason: 'no process to try it in: spawn ENOMEM' },
      { flagSet: 'gl-egl', works: true },
    ]);
    // The second time that it hangs.
    await probe({ vulkan: HUNG });
    tried = [];
    nowMs += DAY_MS;
    await probe({});
    expect(tried).toEqual([]);
  });

  it('what has worked since it hung may hang once more', async () => {
    for (const outcome of [HUNG, done(), HUNG]) {
      await probe({ vulkan: outcome }, { thorough: true });
      nowMs += DAY_MS;
    }
    expect(await probe({ vulkan: done() })).toMatchObject([{ flagSet: 'vulkan', works: true }]);
  });

  it('what was refused is tried again after a day', async () => {
    await probe({});
    expect(tried).toEqual(['vulkan', 'gl-egl', 'gl']);
    await probe({});
    expect(tried).toHaveLength(3);
    nowMs += DAY_MS;
    expect(await probe({ vulkan: done() })).toMatchObject([{ flagSet: 'vulkan', works: true }]);
  });

  describe('where the server ends during a trial', () => {
    let machine: FakeRoot;
    const boot = (id: string): FakeRoot => machine.file('proc/sys/kernel/random/boot_id', `${id}\n`);
    /** A trial that never comes back. */
    const die = async (): Promise<void> => {
      const tryRenderer = (): Promise<TrialOutcome> => Promise.reject(new Error('it is gone'));
      await expect(probe({}, { tryRenderer, root: machine.path })).rejects.toThrow('it is gone');
    };
    const probeHere = (): ReturnType<typeof probe> =>
      probe({ vulkan: done(), 'gl-egl': done() }, { root: machine.path });

    beforeEach(() => {
      machine = new FakeRoot();
    });

    it('the driver is not blamed while the machine stays up', async () => {
      boot('a');
      for (let start = 0; start < 5; start++) await die();
      expect(await probeHere()).toMatchObject([{ flagSet: 'vulkan', works: true }]);
    });

    it('it is left alone for a day if the machine went down with it twice', async () => {
      boot('a');
      await die();
      boot('b');
      await die();
      boot('c');
      const [vulkan] = await probeHere();
      expect(vulkan).toMatchObject({ flagSet: 'vulkan', works: false });
      expect(vulkan?.reason).toContain('the machine went down twice');
      // Still so at further starts on the same kernel, and the next one.
      boot('d');
      await probeHere();
      expect(tried).toEqual(['gl-egl']);
      nowMs += DAY_MS;
      expect(await probeHere()).toMatchObject([{ flagSet: 'vulkan', works: true }]);
    });

    it('a machine that does not tell its boots blames nobody', async () => {
      for (let start = 0; start < 5; start++) await die();
      expect(await probeHere()).toMatchObject([{ flagSet: 'vulkan', works: true }]);
    });
  });

  it('a server that is closed meanwhile has interrupted nothing', async () => {
    for (let start = 0; start < 3; start++) {
      aborting = new AbortController();
      const tryRenderer = (): Promise<TrialOutcome> => {
        aborting.abort();
        return Promise.resolve(FAILED);
      };
      expect(await probe({}, { tryRenderer })).toEqual([]);
    }
    aborting = new AbortController();
    expect(await probe({ vulkan: done() })).toMatchObject([{ flagSet: 'vulkan', works: true }]);
  });

  it.each([
    '',
    '{',
    'null',
    '{"version":2,"verdicts":{"Chromium 156 | amdgpu":{"reports":[{"flagSet":"--x"}]}}}',
    '{"version":1,"verdicts":{"Chromium 156 | amdgpu":{"updatedMs":1,"reports":[],"interrupted":{"vulkan":2}}}}',
    '{"version":2,"verdicts":{"Chromium 156 | amdgpu":{"updatedMs":1,"reports":[],"interrupted":{"vulkan":2}}}}',
  ])('begins anew where the file holds %j', async (text) => {
    await new VerdictFile(path).write('other', { updatedMs: 0, reports: [], interrupted: {} });
    writeFileSync(path, text);
    expect(await probe({ vulkan: done() })).toMatchObject([{ flagSet: 'vulkan', works: true }]);
    expect(tried).toEqual(['vulkan']);
  });

  it('keeps the verdicts of the sixteen drivers that were seen last', async () => {
    const file = new VerdictFile(path);
    for (let index = 0; index < 20; index++) {
      await file.write(`driver ${index}`, { updatedMs: index, reports: [], interrupted: {} });
    }
    const { verdicts } = JSON.parse(readFileSync(path, 'utf8')) as { verdicts: object };
    expect(Object.keys(verdicts)).toHaveLength(16);
    expect(await file.read('driver 3')).toBeUndefined();
    expect(await file.read('driver 4')).toMatchObject({ updatedMs: 4 });
  });

  it('goes on without a file where none can be written', async () => {
    const errors: unknown[] = [];
    const reports = await probe(
      { vulkan: done() },
      { file: new VerdictFile('/dev/null/graphics.json'), onNotStored: (error) => errors.push(error) },
    );
    expect(reports).toMatchObject([{ flagSet: 'vulkan', works: true }]);
    expect(errors.length).toBeGreaterThan(0);
  });
});

describe('verdictPath', () => {
  const noHome = (): string => {
    throw new Error('A system error occurred: uv_os_homedir returned ENOENT');
  };

  it('is none where the user has no home directory', () => {
    vi.stubEnv('XDG_CACHE_HOME', '');
    onTestFinished(() => void vi.unstubAllEnvs());
    expect(verdictPath(noHome)).toBeNull();
    expect(verdictPath(() => '/home/me')).toBe('/home/me/.cache/stream-kit-server/graphics.json');
    vi.stubEnv('XDG_CACHE_HOME', '/cache');
    expect(verdictPath(noHome)).toBe('/cache/stream-kit-server/graphics.json');
  });
});

it('a verdict file without a place keeps nothing, and says so', async () => {
  const file = new VerdictFile(null);
  expect(await file.read('any')).toBeUndefined();
  await expect(file.write('any', { updatedMs: 0, reports: [], interrupted: {} })).rejects.toThrow(
    'XDG_CACHE_HOME is not set',
  );
});
