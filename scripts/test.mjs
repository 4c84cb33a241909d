// The whole check: the linters beside the unit tests, then the tests that want the machine for themselves. All of it runs
// even where a part fails, and the last lines say again what failed: the output is long, and its end is what is read.
//
//   npm test -- NAME …   only the test files whose path holds a name, and no linter
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';

const root = join(import.meta.dirname, '..');
const VITEST = 'node_modules/vitest/vitest.mjs';
const names = process.argv.slice(2);
const results = mkdtempSync(join(tmpdir(), 'stream-kit-test-'));

/** @returns whether it went well. */
async function run(script, ...args) {
  const child = spawn(process.execPath, [join(root, script), ...args], { cwd: root, stdio: 'inherit' });
  const [code] = await once(child, 'exit');
  return code === 0;
}

/** @returns a line for each thing that failed: none if all went well. */
async function lint() {
  return (await run('scripts/lint.mjs')) ? [] : ['npm run lint: its messages are above'];
}

/**
 * @param projects - of vitest, run one after another.
 * @returns a line for each thing that failed: none if all went well.
 */
async function tests(...projects) {
  const file = join(results, `${projects.join('-')}.json`);
  const chosen = projects.flatMap((project) => ['--project', project]);
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
  if (await run(VITEST, 'run', ...names, ...chosen, ...reporters)) return [];
  const failed = failures(file);
  return failed.length > 0 ? failed : [`${projects.join(', ')}: no test failed, but the run did: see above`];
}

function failures(file) {
  let report;
  try {
    report = JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return []; // It ended before it could report.
  }
  return report.testResults.flatMap((testFile) => {
    const path = relative(root, testFile.name);
    const failed = testFile.assertionResults.filter((test) => test.status === 'failed');
    if (failed.length === 0) return testFile.status === 'failed' ? [`${path}: ${testFile.message}`] : [];
    return failed.map(
      (test) => `${path}: ${test.fullName}\n    ${test.failureMessages.join('\n').slice(0, 500)}`,
    );
  });
}

try {
  const failed = [];
  if (names.length > 0) {
    failed.push(...(await tests('unit', 'integration', 'e2e')));
  } else {
    failed.push(...(await Promise.all([lint(), tests('unit')])).flat());
    failed.push(...(await tests('integration', 'e2e')));
  }
  if (failed.length > 0) {
    console.error(`\nFailed: ${failed.length}`);
    for (const line of failed) console.error(`- ${line}`);
    process.exitCode = 1;
  }
} finally {
  rmSync(results, { recursive: true, force: true });
}
