// Loads native/bench, which node-gyp builds where it is not built yet or older than its sources.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

import { headersFolder, nodeGyp } from '../../build-native.mjs';

const folder = join(import.meta.dirname, '..', '..', '..', 'native', 'bench');
const built = join(folder, 'build', 'Release', 'bench.node');

function isFresh() {
  if (!existsSync(built)) return false;
  const sources = readdirSync(folder).filter((name) => /\.(cc|h|gyp)$/.test(name));
  return sources.every((name) => statSync(join(folder, name)).mtimeMs <= statSync(built).mtimeMs);
}

/** @throws Error with the compiler's words where it cannot be built. */
export function loadBenchAddon() {
  if (process.platform !== 'linux') throw new Error('The load generator of this bench runs on Linux only.');
  if (!isFresh()) {
    const nodedir = headersFolder();
    const headers = nodedir === undefined ? [] : [`--nodedir=${nodedir}`];
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [nodeGyp(), 'rebuild', '-C', folder, ...headers],
      { encoding: 'utf8' },
    );
    if (status !== 0) throw new Error(`native/bench was not built:\n${stdout}${stderr}`);
  }
  return createRequire(import.meta.url)(built);
}
