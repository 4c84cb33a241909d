// The whole check: the linters beside the unit tests, then the tests that want the machine for themselves. All of it runs
// even where a part fails, so that one run tells everything.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const VITEST = 'node_modules/vitest/vitest.mjs';

/** @returns whether it went well. */
async function run(script, ...args) {
  const child = spawn(process.execPath, [join(root, script), ...args], { cwd: root, stdio: 'inherit' });
  const [code] = await once(child, 'exit');
  return code === 0;
}

const first = await Promise.all([run('scripts/lint.mjs'), run(VITEST, 'run', '--project', 'unit')]);
const second = await run(VITEST, 'run', '--project', 'integration', '--project', 'e2e');
process.exitCode = [...first, second].every(Boolean) ? 0 : 1;
