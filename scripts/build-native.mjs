// Builds the addon of the native media plane by node-gyp: native/build/Release/media_plane.node.
//
//   --quiet      says what the compiler says only when it fails
//   --prebuild   also copies it to native/prebuilds/<platform>-<arch>, from where a packed package loads it
//
// Exit code 0 with one line where there is no compiler, since werift then carries the media; any other failure is one.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

const root = join(import.meta.dirname, '..');
const folder = join(root, 'native');
const addon = join(folder, 'build', 'Release', 'media_plane.node');
const stamp = join(folder, 'build', '.built');
/** Folders of `native` from which the addon is made; the others are tests and benches. */
const SOURCES = ['binding.gyp', 'addon.cc', 'core', 'io', 'node'];

function newestMtimeMs(path) {
  const stats = statSync(path);
  if (!stats.isDirectory()) return stats.mtimeMs;
  return Math.max(stats.mtimeMs, ...readdirSync(path).map((name) => newestMtimeMs(join(path, name))));
}

/** What the build depends on besides the sources. */
const builtFor = `${process.version} ${process.platform} ${process.arch}\n`;

/** Builds what is out of date. @returns whether the addon is there */
export function buildNative({ quiet = false } = {}) {
  const newest = Math.max(...SOURCES.map((name) => newestMtimeMs(join(folder, name))));
  const sameNode = existsSync(stamp) && readFileSync(stamp, 'utf8') === builtFor;
  if (sameNode && existsSync(addon) && statSync(stamp).mtimeMs >= newest) return true;
  const lacking = missingTool();
  if (lacking !== undefined) {
    const instead = existsSync(addon) ? 'an older build is used' : 'packets go through werift';
    console.log(`The native media plane is not built, because ${lacking}: ${instead}.`);
    return existsSync(addon);
  }
  console.log('Building the native media plane …');
  // A prebuilt one would be taken before what is built now.
  rmSync(join(folder, 'prebuilds'), { recursive: true, force: true });
  const nodedir = headersFolder();
  const started = Date.now();
  const result = spawnSync(
    process.execPath,
    [
      nodeGyp(),
      ...(sameNode ? ['configure', 'build'] : ['rebuild']),
      '--directory',
      folder,
      '--jobs=max',
      ...(nodedir === undefined ? [] : [`--nodedir=${nodedir}`]),
    ],
    { cwd: folder, stdio: quiet ? ['ignore', 'pipe', 'pipe'] : 'inherit', encoding: 'utf8' },
  );
  if (result.status !== 0 || !existsSync(addon)) {
    if (quiet) process.stderr.write(`${result.stdout ?? ''}${result.stderr ?? ''}`);
    throw new Error(
      'The native media plane did not build (see above). Without a C++ compiler on the PATH it is left out and packets go through werift.',
    );
  }
  writeFileSync(stamp, builtFor);
  console.log(`Built the native media plane in ${Math.round((Date.now() - started) / 1000)} s.`);
  return true;
}

/** Copies the addon to where a packed package has it. */
export async function placePrebuild() {
  const loader = join(root, 'dist', 'fanout', 'load-native-addon.js');
  const { prebuildName } = await import(pathToFileURL(loader).href);
  const target = join(folder, 'prebuilds', prebuildName());
  mkdirSync(target, { recursive: true });
  copyFileSync(addon, join(target, 'media_plane.node'));
}

/** In words, or undefined where all is there. */
function missingTool() {
  const runs = (command, ...parameters) => spawnSync(command, parameters, { stdio: 'ignore' }).status === 0;
  const compilers =
    process.env.CXX === undefined ? ['c++', 'g++', 'clang++'] : [process.env.CXX.split(' ')[0]];
  if (process.platform === 'win32') return 'there is no build for Windows';
  if (!compilers.some((compiler) => runs(compiler, '--version'))) return 'there is no C++ compiler';
  if (!runs('make', '--version')) return 'there is no make';
  if (![process.env.PYTHON ?? 'python3', 'python'].some((python) => runs(python, '--version'))) {
    return 'there is no Python 3';
  }
  return undefined;
}

/** node-gyp comes with npm, which has installed the packages. */
export function nodeGyp() {
  const folders = [];
  if (process.env.npm_execpath?.endsWith('npm-cli.js'))
    folders.push(dirname(dirname(process.env.npm_execpath)));
  folders.push(join(dirname(process.execPath), '..', 'lib', 'node_modules', 'npm'));
  const candidate = (npm) => join(npm, 'node_modules', 'node-gyp', 'bin', 'node-gyp.js');
  const found = folders.map(candidate).find((file) => existsSync(file));
  if (found !== undefined) return found;
  const globalModules = execFileSync('npm', ['root', '--global'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  }).trim();
  const file = candidate(join(globalModules, 'npm'));
  if (!existsSync(file)) throw new Error(`npm's node-gyp was not found at ${file}: install npm.`);
  return file;
}

/**
 * Headers of this very Node.js that are there already, so that none have to be fetched. undefined: node-gyp looks in its
 * cache, then fetches them.
 */
export function headersFolder() {
  const given = process.env.npm_config_nodedir;
  if (given !== undefined) return given;
  const prefix = dirname(dirname(process.execPath));
  try {
    const header = readFileSync(join(prefix, 'include', 'node', 'node_version.h'), 'utf8');
    const part = (name) => new RegExp(`#define NODE_${name}_VERSION (\\d+)`).exec(header)?.[1];
    const version = `v${part('MAJOR')}.${part('MINOR')}.${part('PATCH')}`;
    const complete = existsSync(join(prefix, 'include', 'node', 'openssl', 'evp.h'));
    return version === process.version && complete ? prefix : undefined;
  } catch {
    return undefined;
  }
}

if (process.argv[1] === import.meta.filename) {
  try {
    const built = buildNative({ quiet: process.argv.includes('--quiet') });
    if (built && process.argv.includes('--prebuild')) await placePrebuild();
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
