// npm run bench [-- table ... [--quick]]: runs the tables one after the other on an otherwise idle machine, prints them
// and writes bench-results/<time>.json. Every table measures ours and its peer side by side, in turns, in one run.
// --quick, for the tables capture, density, encode, fan-out, glass-to-glass and sfu: fewer rounds or viewers, shorter, and no figures to quote.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';

import { capture } from './capture.mjs';
import { cluster } from './cluster.mjs';
import { clusterModel } from './cluster-model.mjs';
import { coldStart } from './cold-start.mjs';
import { costOfRender } from './cost-of-render.mjs';
import { density } from './density.mjs';
import { encode } from './encode.mjs';
import { eventStreams } from './event-streams.mjs';
import { fanout } from './fanout/fanout.mjs';
import { glassToGlass } from './glass-to-glass.mjs';
import { input } from './input.mjs';
import { manyViewers } from './many-viewers.mjs';
import { pageLoad } from './page-load.mjs';
import { network } from './network/network.mjs';
import { browserPath } from './rig.mjs';
import { sfu } from './sfu.mjs';
import { socketAge } from './socket-age.mjs';
import { stateUpdate } from './state-update.mjs';

const root = join(import.meta.dirname, '..', '..');
const TABLES = {
  'glass-to-glass': glassToGlass,
  capture,
  'cost-of-render': costOfRender,
  'many-viewers': manyViewers,
  'cold-start': coldStart,
  density,
  'page-load': pageLoad,
  encode,
  'event-streams': eventStreams,
  fanout,
  input,
  network,
  sfu,
  'socket-age': socketAge,
  cluster,
  'cluster-model': clusterModel,
  'state-update': stateUpdate,
};

const quick = process.argv.includes('--quick');
const wanted = process.argv.slice(2).filter((name) => name !== '--quick');
const unknown = wanted.filter((name) => !(name in TABLES));
if (unknown.length > 0) {
  console.error(`Unknown table ${unknown.join(', ')}. There are: ${Object.keys(TABLES).join(', ')}.`);
  process.exit(1);
}

const versionOf = (name) =>
  JSON.parse(readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8')).version;
const machine = {
  cpu: cpus()[0]?.model.trim(),
  cores: cpus().length,
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  platform: `${process.platform} ${process.arch}`,
  node: process.version,
  chromium: execFileSync(await browserPath(), ['--version'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  }).trim(),
  ...Object.fromEntries(['werift', 'node-av', 'puppeteer'].map((name) => [name, versionOf(name)])),
};
console.log(`${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.platform}`);
console.log(
  `Node ${machine.node}, ${machine.chromium}, werift ${machine.werift}, node-av ${machine['node-av']}\n`,
);

// Its exit ends what it has started.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

const results = { date: new Date().toISOString(), machine, quick, tables: {} };
for (const [name, table] of Object.entries(TABLES)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  // One table, or several of one run with names of their own.
  for (const { name: own = name, title, note, rows, failed } of [await table({ quick })].flat()) {
    console.log(`${title}\n${note}`);
    console.table(rows);
    results.tables[own] = { title, note, rows };
    if (failed) {
      console.error(`${title}: not all of it could be measured.`);
      process.exitCode = 1;
    }
  }
}

const folder = join(root, 'bench-results');
mkdirSync(folder, { recursive: true });
const file = join(folder, `${results.date.replaceAll(':', '-')}.json`);
writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`);
console.log(`Written to bench-results/${file.slice(folder.length + 1)}`);
