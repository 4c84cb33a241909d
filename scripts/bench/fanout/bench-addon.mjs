// Loads native/bench, which node-gyp builds where it is not built yet or older than its sources.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const folder = join(import.meta.dirname, '..', '..', '..', 'native', 'bench');
const built = join(folder, 'build', 'Release', 'bench.node');

function isFresh() {
  if (!existsSync(built)) return false;
  const sources = readdirSync(folder).filter((name) => /\.(cc|h|gyp)$/.test(name));
  return sources.every((name) => statSync(join(folder, name)).mtimeMs <= statSync(built).mtimeMs);
}

/** node-gyp of our packages, or the one that comes with npm. */
function nodeGyp() {
  const own = join(folder, '..', '..', 'node_modules', 'node-gyp', 'bin', 'node-gyp.js');
  if (existsSync(own)) return own;
  const npm = process.env.npm_execpath ?? '/usr/lib/node_modules/npm/bin/npm-cli.js';
  return join(dirname(npm), '..', 'node_modules', 'node-gyp', 'bin', 'node-gyp.js');
}

/** @throws Error with the compiler's words where it cannot be built. */
export function loadBenchAddon() {
  if (process.platform !== 'linux') throw new Error('The load generator of this bench runs on Linux only.');
  if (!isFresh()) {
    const prefix = join(dirname(process.execPath), '..');
    const headers = existsSync(join(prefix, 'include', 'node', 'node_api.h')) ? [`--nodedir=${prefix}`] : [];
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [nodeGyp(), 'rebuild', '-C', folder, ...headers],
      { encoding: 'utf8' },
    );
    if (status !== 0) throw new Error(`native/bench was not built:\n${stdout}${stderr}`);
  }
  return createRequire(import.meta.url)(built);
}
