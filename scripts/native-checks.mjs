// What the native media plane is checked by beyond `npm test`: its C++ tests, plain and under ASan + UBSan and TSan, then
// each fuzz target for a while, then the format of its sources. Needs no Node headers: native/Makefile links the
// system's OpenSSL. Takes under ten minutes on two cores.
//
//   node scripts/native-checks.mjs [--fuzz-seconds=20] [--only=tests|asan|tsan|fuzz|format] [--where-possible]
//
// Missing Debian packages are installed where apt-get may; else one sentence says which, and the exit code is 1. With
// --where-possible the steps that need them are left out, and said to be.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

const native = join(import.meta.dirname, '..', 'native');
const DEFAULT_FUZZ_SECONDS = 20;
/** Longest input that a fuzz target is given: two of the largest datagrams. */
const FUZZ_MAX_BYTES = 4096;

const options = new Map(
  process.argv.slice(2).map((argument) => {
    const [name, value = ''] = argument.replace(/^--/, '').split('=');
    return [name, value];
  }),
);
const KNOWN = ['fuzz-seconds', 'only', 'where-possible'];
const unknown = [...options.keys()].find((name) => !KNOWN.includes(name));
if (unknown !== undefined) {
  const usage = `Options: ${KNOWN.map((name) => `--${name}`).join(', ')}; see the head of this file.`;
  // It takes minutes: who asks how it is called does not mean to run it.
  console.error(unknown === 'help' ? usage : `--${unknown} is not known. ${usage}`);
  process.exit(unknown === 'help' ? 0 : 1);
}
const fuzzSeconds = Number(options.get('fuzz-seconds') ?? DEFAULT_FUZZ_SECONDS);
if (!Number.isInteger(fuzzSeconds) || fuzzSeconds < 1) {
  console.error('--fuzz-seconds expects whole seconds, 1 or more.');
  process.exit(1);
}

/** A command, what it is needed for, and the Debian package that has it. */
const TOOLS = [
  { command: ['make', '--version'], packageName: 'make', steps: ['tests', 'asan', 'tsan', 'fuzz'] },
  { command: ['g++', '--version'], packageName: 'g++', steps: ['tests', 'asan', 'tsan', 'fuzz'] },
  { file: '/usr/include/openssl/evp.h', packageName: 'libssl-dev', steps: ['tests', 'asan', 'tsan', 'fuzz'] },
  { command: ['clang++', '--version'], packageName: 'clang', steps: ['fuzz'] },
  { command: ['clang-format', '--version'], packageName: 'clang-format', steps: ['format'] },
];

function has(tool) {
  return tool.file === undefined
    ? spawnSync(tool.command[0], tool.command.slice(1), { stdio: 'ignore' }).status === 0
    : existsSync(tool.file);
}

/** @returns the steps that can be taken. */
function provideTools(steps) {
  const lacking = () =>
    TOOLS.filter((tool) => tool.steps.some((step) => steps.includes(step)) && !has(tool)).map(
      (tool) => tool.packageName,
    );
  const missing = lacking();
  if (missing.length === 0) return steps;
  const asRoot = process.getuid?.() === 0 ? [] : ['sudo', '-n'];
  console.log(`Installing ${missing.join(', ')} …`);
  for (const work of [
    ['update', '-qq'],
    ['install', '-y', '--no-install-recommends', ...missing],
  ]) {
    const [command, ...rest] = [...asRoot, 'apt-get', ...work];
    spawnSync(command, rest, { stdio: 'ignore' });
  }
  const still = lacking();
  if (still.length > 0 && options.has('where-possible')) {
    const possible = steps.filter((step) => !TOOLS.some((tool) => tool.steps.includes(step) && !has(tool)));
    const left = steps.filter((step) => !possible.includes(step));
    console.log(`LEFT OUT ${left.join(', ')}: ${still.join(', ')} could not be installed.`);
    return possible;
  }
  if (still.length > 0) {
    console.error(
      `The native checks need the Debian packages ${still.join(', ')}; apt-get could not install them.`,
    );
    process.exit(1);
  }
  return steps;
}

/** Runs to the end; its output is shown where it fails. @returns whether it succeeded */
function run(title, command, args, environment = {}) {
  const started = Date.now();
  const result = spawnSync(command, args, {
    cwd: native,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    env: { ...process.env, ...environment },
  });
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  const passed = result.status === 0;
  console.log(`${passed ? 'ok    ' : 'FAILED'} ${title} (${seconds} s)`);
  if (!passed) console.error(`${result.stdout ?? ''}${result.stderr ?? ''}${result.error ?? ''}`);
  return passed;
}

function make(title, ...args) {
  return run(title, 'make', [`-j${String(availableParallelism())}`, ...args]);
}

function tests(variant, title) {
  return (
    make(`builds ${title}`, `VARIANT=${variant}`, 'tests') &&
    run(`tests ${title}`, `out/${variant}/tests`, [])
  );
}

function fuzz() {
  if (!make('builds the fuzz targets', 'fuzz') || !make('makes the start of the corpus', 'corpus'))
    return false;
  const targets = readdirSync(join(native, 'fuzz'))
    .filter((name) => name.startsWith('fuzz_') && name.endsWith('.cc'))
    .map((name) => name.slice('fuzz_'.length, -'.cc'.length));
  return targets.every((target) => {
    // What the fuzzer finds goes to the first folder; the corpus in the repository stays as it is.
    const found = join('out', 'found', target);
    mkdirSync(join(native, found), { recursive: true });
    return run(`fuzzes ${target} for ${String(fuzzSeconds)} s`, `out/fuzz/fuzz_${target}`, [
      `-max_total_time=${String(fuzzSeconds)}`,
      `-max_len=${String(FUZZ_MAX_BYTES)}`,
      '-timeout=10',
      '-print_final_stats=1',
      `-artifact_prefix=out/found/crash-${target}-`,
      found,
      join('fuzz', 'corpus', target),
    ]);
  });
}

function format() {
  const files = ['.', 'core', 'io', 'node', 'test', 'fuzz', 'bench'].flatMap((folder) =>
    existsSync(join(native, folder))
      ? readdirSync(join(native, folder))
          .filter((name) => /\.(h|cc)$/.test(name))
          .map((name) => join(folder, name))
      : [],
  );
  return run('format of the sources', 'clang-format', ['--dry-run', '-Werror', ...files]);
}

const STEPS = {
  format,
  tests: () => tests('plain', 'plain'),
  asan: () => tests('asan', 'under ASan and UBSan'),
  tsan: () => tests('tsan', 'under TSan'),
  fuzz,
};

const only = options.get('only');
const steps = only === undefined ? Object.keys(STEPS) : [only];
if (!steps.every((step) => Object.hasOwn(STEPS, step))) {
  console.error(`--only expects one of ${Object.keys(STEPS).join(', ')}.`);
  process.exit(1);
}
const possible = provideTools(steps);
// All of them, so that one run shows all that is wrong.
const failed = possible.filter((step) => !STEPS[step]());
process.exit(failed.length === 0 ? 0 : 1);
