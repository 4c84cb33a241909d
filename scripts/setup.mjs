// Makes a clone ready: npm packages, the build, the native media plane where there is a compiler, and Chromium and
// ffmpeg where the system has none. Everything that is there already is left as it is, so that a second run costs about
// a second.
//
//   --packages-only   npm packages, nothing else (lint)
//   --tests           also what only the tests use (ffmpeg's command line, coturn, tmux, Redis)
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const root = join(import.meta.dirname, '..');
const stamp = join(root, 'dist', '.built');
const flags = new Set(process.argv.slice(2));

function newestMtimeMs(path) {
  const stats = statSync(path);
  if (!stats.isDirectory()) return stats.mtimeMs;
  return Math.max(stats.mtimeMs, ...readdirSync(path).map((name) => newestMtimeMs(join(path, name))));
}

function packages() {
  const installed = join(root, 'node_modules', '.package-lock.json');
  const lock = join(root, 'package-lock.json');
  if (existsSync(installed) && (!existsSync(lock) || statSync(installed).mtimeMs >= statSync(lock).mtimeMs))
    return;
  console.log('Installing npm packages …');
  // No package of ours needs its install script: native parts come as packages of their own, and the browser is
  // looked for below.
  execFileSync('npm', ['ci', '--ignore-scripts', '--include=dev', '--no-audit', '--no-fund'], {
    cwd: root,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
}

function build() {
  const sources = ['src', 'tsconfig.json', 'tsconfig.base.json', 'scripts/build.mjs', 'package-lock.json'];
  const newest = Math.max(...sources.map((path) => newestMtimeMs(join(root, path))));
  if (existsSync(stamp) && statSync(stamp).mtimeMs >= newest) return;
  console.log('Building …');
  execFileSync(process.execPath, [join(root, 'scripts/build.mjs')], { stdio: 'inherit' });
  writeFileSync(stamp, '');
}

/** It needs no npm package, so it goes on beside the rest. Resolves to whether it went well; it has said why not. */
async function native() {
  const child = spawn(process.execPath, [join(root, 'scripts/build-native.mjs'), '--quiet'], {
    stdio: 'inherit',
  });
  const [code] = await once(child, 'exit');
  return code === 0;
}

/** @param argument - with which it ends by itself: a server must not be started. */
function has(command, argument = '-version') {
  return spawnSync(command, [argument], { stdio: 'ignore' }).error === undefined;
}

/** What a WHEP player of GStreamer needs, in Python. */
const GSTREAMER =
  'python3-gi gir1.2-gst-plugins-bad-1.0 gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-nice gstreamer1.0-libav';

function hasGStreamer() {
  const imports = "import gi; gi.require_version('GstWebRTC', '1.0'); gi.require_version('GstSdp', '1.0')";
  return spawnSync('/usr/bin/python3', ['-c', imports], { stdio: 'ignore' }).status === 0;
}

/**
 * Debian's packages, where apt may be used; else one sentence and the end.
 *
 * @param name - of one, or of several with spaces between them.
 * @param hint - undefined: it may be left out, and tests that would use it say so.
 */
function aptInstall(name, hint) {
  const may =
    process.platform === 'linux' &&
    process.getuid() === 0 &&
    has('apt-get') &&
    !process.env.STREAM_KIT_NO_APT;
  if (hint === undefined) {
    if (may) aptGetIfPossible(name);
    return;
  }
  if (!may) {
    console.error(hint);
    process.exit(1);
  }
  explainApt(name);
  const options = {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  };
  execFileSync('apt-get', ['update', '-qq'], options);
  execFileSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...name.split(' ')], options);
}

/** Packages are installed for the whole machine, as root: whoever does not want that is told before, and can stop it. */
function explainApt(name) {
  console.log(
    `Installing from Debian as root, for the whole machine: apt-get install ${name}. ` +
      'To do it yourself, or not at all, set STREAM_KIT_NO_APT=1',
  );
}

/** What only some tests use, which say so where it is missing. */
function aptGetIfPossible(name) {
  explainApt(name);
  const options = {
    stdio: 'ignore',
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' },
  };
  // Run level 1: the packages do not start their services.
  spawnSync('apt-get', ['update', '-qq'], options);
  spawnSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...name.split(' ')], options);
}

async function browser() {
  const { findBrowser } = await import(
    pathToFileURL(join(root, 'dist/render/capture/browser-discovery.js')).href
  );
  const found = () =>
    findBrowser().then(
      () => true,
      () => false,
    );
  if (await found()) return;
  aptInstall('chromium', 'No Chromium was found: install one, or set PUPPETEER_EXECUTABLE_PATH to it.');
  // Without them pages show boxes for the characters of many languages; `doctor` says so.
  for (const fonts of ['fonts-noto-core', 'fonts-noto-cjk', 'fonts-noto-color-emoji']) aptInstall(fonts);
  if (!(await found())) throw new Error('Chromium was installed but is not to be found.');
}

const nativeBuilt = flags.has('--packages-only') ? undefined : native();
packages();
if (nativeBuilt !== undefined) {
  build();
  if (!(await nativeBuilt)) process.exit(1);
  await browser();
  if (flags.has('--tests') && !(has('ffmpeg') && has('ffprobe'))) {
    aptInstall('ffmpeg', 'The tests need ffmpeg and ffprobe: install FFmpeg.');
  }
  // Each test is left out where its program is missing.
  for (const [program, argument, name] of [
    ['turnserver', '-h', 'coturn'],
    ['redis-server', '-v', 'redis-server'],
    ['nginx', '-v', 'nginx-light'],
    ['haproxy', '-v', 'haproxy'],
    ['caddy', '-v', 'caddy'],
    ['firefox-esr', '-v', 'firefox-esr'],
  ]) {
    if (flags.has('--tests') && !has(program, argument)) aptInstall(name, undefined);
  }
  if (flags.has('--tests') && !hasGStreamer()) aptInstall(GSTREAMER, undefined);
  if (flags.has('--tests') && !has('tmux', '-V')) {
    aptInstall('tmux', undefined);
    if (!has('tmux', '-V')) console.log('There is no tmux: the tests of terminals are left out.');
  }
}
