// npm run gpu-check [-- --out FILE]: checks on a machine with a GPU what no other machine can: rendering, each hardware encoder's
// contract suite, failover, quality and latency. Takes less than 8 minutes and writes a report in Markdown.
//
// Exit status: 0 all that was checked is fine, 1 something is not, 2 there is no GPU and nothing was checked.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir, totalmem } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { parseArgs } from 'node:util';

import { runProgram } from './program.mjs';
import { contractSection, missingLines, reportText, sectionOrFailure, tableSection } from './report.mjs';

const RENDERING = 'Rendering on the GPU';
const root = join(import.meta.dirname, '..', '..');
const dist = (path) => import(join(root, 'dist', path));
/** Upper limits of the parts, seconds. */
const LIMITS = { probe: 15, contract: 45, failover: 20, encode: 120, capture: 60, glassToGlass: 120 };
/** Of all of it, seconds: what is left out then is a failure. */
const WHOLE_LIMIT = 470;

const date = new Date().toISOString();
const { values } = parseArgs({ options: { out: { type: 'string' } } });
const out = values.out ?? join(root, 'bench-results', `gpu-check-${date.replaceAll(':', '-')}.md`);

const { findGraphicsDevices } = await dist('render/graphics/graphics-devices.js');
const { EncoderProbe } = await dist('render/encode/encoder-probe.js');
const { HARDWARE_ENCODERS } = await dist('render/encode/hardware-encoder-settings.js');

const startMs = performance.now();
/** @returns {number} seconds that a part may take. */
const atMost = (seconds) =>
  Math.max(1, Math.min(seconds, WHOLE_LIMIT - (performance.now() - startMs) / 1000));

const devices = findGraphicsDevices();
const names = Object.keys(HARDWARE_ENCODERS);
const probe = new EncoderProbe({
  candidates: names.map((name) => ({ name, codec: HARDWARE_ENCODERS[name].codec, device: undefined })),
  ...{ timeoutMs: LIMITS.probe * 1000, measureMs: 500, keepsAlive: true },
});
const encoders = await probe.reports;
const working = encoders.filter(({ works }) => works).map(({ name }) => name);

if (devices.length === 0 && working.length === 0) {
  for (const line of missingLines(devices, encoders)) console.log(line);
  process.exitCode = 2;
} else {
  const sections = [];
  const add = (section) => {
    sections.push(section);
    console.log(`${section.passed ? 'ok  ' : 'FAIL'} ${section.title}`);
  };
  add(await sectionOrFailure(RENDERING, rendering));
  add(encoderSection());
  for (const name of working) add(await contract(name));
  for (const name of working) add(await failover(name));
  if (working.length > 0) {
    add(await bench('Encoding', 'encode', LIMITS.encode));
  }
  add(await bench('Capture', 'capture', LIMITS.capture));
  add(await bench('Glass to glass', 'glass-to-glass', LIMITS.glassToGlass));
  mkdirSync(dirname(out), { recursive: true });
  writeFileSync(out, reportText({ date, machine: await machine(), sections }));
  console.log(`Written to ${relative(process.cwd(), out)}`);
  if (sections.some(({ passed }) => !passed)) process.exitCode = 1;
}

async function rendering() {
  const { reportRendering } = await dist('demo/rendering-report.js');
  const { lines, reports } = await reportRendering();
  const isFine = reports.some(({ works }) => works);
  return { title: RENDERING, passed: isFine, text: block(lines.slice(1).join('\n')) };
}

function encoderSection() {
  const rows = encoders.map(({ name, works, framesPerSecond, reason }) => ({
    encoder: name,
    'frames/s at 720p': works ? String(framesPerSecond) : '–',
    result: works ? 'works' : (reason ?? 'unknown'),
  }));
  // A card has the encoders of its vendor.
  return tableSection('Hardware encoders', working.length > 0, rows);
}

/** The suite that every encoder passes, with this one in its place. */
async function contract(name) {
  const folder = mkdtempSync(join(tmpdir(), 'stream-kit-gpu-'));
  const file = join(folder, 'report.json');
  try {
    const { output } = await runProgram(
      [
        ...['node_modules/vitest/vitest.mjs', 'run', '--project', 'integration'],
        ...['test/integration/video-encoders.test.ts', '--testNamePattern', `^${name} in this process`],
        ...['--reporter=json', `--outputFile.json=${file}`],
      ],
      { cwd: root, seconds: atMost(LIMITS.contract), env: { STREAM_KIT_ENCODERS: name } },
    );
    let report;
    try {
      report = JSON.parse(readFileSync(file, 'utf8'));
    } catch {
      // It ended before it could report.
    }
    return contractSection(name, report, output);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function failover(name) {
  const { output, code, late } = await runProgram(['scripts/gpu-check/failover.mjs', name], {
    cwd: root,
    seconds: atMost(LIMITS.failover),
  });
  const why = late ? 'It did not end in time.\n\n' : '';
  return { title: `Failover from ${name}`, passed: code === 0, text: `${why}${block(output)}` };
}

async function bench(title, table, seconds) {
  const { output, code, late } = await runProgram(['scripts/bench/main.mjs', table, '--quick'], {
    cwd: root,
    seconds: atMost(seconds),
  });
  const why = late ? 'It did not end in time.\n\n' : '';
  return { title, passed: code === 0, text: `${why}${block(output)}` };
}

function block(text) {
  return `\`\`\`text\n${text.trim()}\n\`\`\``;
}

async function machine() {
  const { findBrowser } = await dist('render/capture/browser-discovery.js');
  const { browserIdentity } = await dist('render/graphics/graphics-selection.js');
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return {
    GPU:
      devices.map(({ path, vendor, driver }) => `${path} (${vendor}, ${driver})`).join('; ') ||
      'no device file',
    CPU: `${cpus()[0]?.model.trim() ?? 'unknown'}, ${cpus().length} cores`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    kernel: execFileSync('uname', ['-sr'], { encoding: 'utf8' }).trim(),
    browser: await findBrowser().then(browserIdentity, ({ message }) => message),
    Node: process.version,
    'stream-kit-server': version,
  };
}
