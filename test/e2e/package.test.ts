import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { root } from '../helpers/product.js';
import { ServerProcess } from '../helpers/server-process.js';

const NAME = '@open-game-system/stream-kit-server';
let project: string;
let files: string[];
/** Where no compiler is there, none is packed, and werift carries the media. */
let hasAddon: boolean;

beforeAll(() => {
  project = mkdtempSync(join(tmpdir(), 'package-'));
  // As `prepack` and `postpack` do, but for the build of everything else, which other tests use.
  execFileSync(process.execPath, ['scripts/build-native.mjs', '--prebuild'], { cwd: root, stdio: 'ignore' });
  const prebuilds = join(root, 'native', 'prebuilds');
  hasAddon = existsSync(prebuilds);
  const packed = execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', project], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  rmSync(prebuilds, { recursive: true, force: true });
  const answer = JSON.parse(packed) as
    | { filename: string; files: { path: string }[] }[]
    | Record<string, { filename: string; files: { path: string }[] }>;
  const [tarball] = Array.isArray(answer) ? answer : Object.values(answer);
  if (!tarball) throw new Error('npm packed nothing');
  files = tarball.files.map(({ path }) => path);
  const own = join(project, 'node_modules', NAME);
  mkdirSync(own, { recursive: true });
  execFileSync('tar', ['-xzf', join(project, tarball.filename), '-C', own, '--strip-components=1']);
  // What it says that it needs, as it is installed here, and nothing that it does not say.
  const { dependencies } = JSON.parse(readFileSync(join(own, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  for (const name of Object.keys(dependencies)) {
    const path = join(project, 'node_modules', name);
    mkdirSync(dirname(path), { recursive: true });
    symlinkSync(join(root, 'node_modules', name), path);
  }
}, 180_000);

afterAll(() => {
  rmSync(project, { recursive: true, force: true });
});

test('the package has what a user needs and nothing else', () => {
  expect(files).toEqual(
    expect.arrayContaining(['dist/index.js', 'dist/index.d.ts', 'docs/openapi.json', 'LICENSE', 'README.md']),
  );
  // The client is one file, and others that it loads when they are needed; React's hooks reach it by the name of the package.
  const pages = files.filter((path) => /^dist\/(client|react)\/.*\.js$/.test(path)).sort();
  expect(pages.filter((path) => path.startsWith('dist/client/'))).toEqual([
    'dist/client/index.js',
    'dist/client/input-control.js',
    'dist/client/overflow-media.js',
    'dist/client/picture-clock.js',
    'dist/client/prompt-view.js',
    'dist/client/socket-media.js',
    'dist/client/sound-buffer.js',
    'dist/client/stats-sampler.js',
    'dist/client/stream-view.js',
  ]);
  expect(pages).toContain('dist/react/index.js');
  const others = files.filter(
    (path) => !/^(dist\/|docs\/openapi\.json$|package\.json$|README|LICENSE|CHANGELOG)/.test(path),
  );
  // The native plane: for this platform as it is, for others as sources.
  const addons = others.filter((path) => path.endsWith('.node'));
  expect(addons.map((path) => path.replace(/[^/]+(?=\/[^/]+$)/, '*'))).toEqual(
    hasAddon ? ['native/prebuilds/*/media_plane.node'] : [],
  );
  expect(others).toEqual(expect.arrayContaining(['native/binding.gyp', 'native/addon.cc']));
  const sources = /^native\/((binding\.gyp|addon\.cc)$|(core|io|node)\/\w+\.(cc|h)$)/;
  expect(others.filter((path) => !addons.includes(path) && !sources.test(path))).toEqual([]);
});

test('both entry points can be imported, and a bad option is one sentence', () => {
  writeFileSync(
    join(project, 'try.mjs'),
    `import { createStreamKitRouter } from '${NAME}';
     import { connectStream } from '${NAME}/client';
     const router = createStreamKitRouter();
     try { createStreamKitRouter({ maxSessions: 0 }); } catch (error) { console.log(error.code, error.message); }
     console.log(typeof router, typeof connectStream);
     await router.close();`,
  );
  const printed = execFileSync(process.execPath, ['try.mjs'], {
    cwd: project,
    encoding: 'utf8',
    timeout: 60_000,
  });
  expect(printed.split('\n')).toEqual([
    'bad_option Expected integer between 1 and 1000 for maxSessions but received 0 of type number',
    'function function',
    '',
  ]);
});

test('the packed media plane is the native one', () => {
  writeFileSync(
    join(project, 'plane.mjs'),
    `import { createStreamKitRouter } from '${NAME}';
     try { await createStreamKitRouter({ mediaPlane: 'native' }).close(); console.log('native'); }
     catch (error) { console.log(error.code); }`,
  );
  const printed = execFileSync(process.execPath, ['plane.mjs'], {
    cwd: project,
    encoding: 'utf8',
    timeout: 60_000,
  });
  expect(printed).toBe(hasAddon ? 'native\n' : 'bad_option\n');
});

test('the installed binary serves a live session', async () => {
  const file = join(project, 'node_modules', NAME, 'dist', 'demo', 'main.js');
  const server = await ServerProcess.start(file, project);
  try {
    const url = await server.liveSession();
    expect((await fetch(`${url}/snapshot`)).headers.get('content-type')).toBe('image/png');
    expect((await fetch(server.origin)).status).toBe(200);
  } finally {
    expect(await server.end('SIGTERM')).toBe(0);
  }
});
