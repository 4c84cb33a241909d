// Formatter, linter and the checks of the rooms, the errors, the docs and the OpenAPI document, beside each other; what they print comes one after the other.
import { spawn } from 'node:child_process';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const CHECKS = [
  ['node_modules/oxfmt/bin/oxfmt', '--check', '.'],
  ['node_modules/oxlint/bin/oxlint', '--deny-warnings', '.'],
  ['node_modules/typescript/bin/tsc', '--project', 'test'],
  ['scripts/check-rooms.mjs'],
  ['scripts/check-errors.mjs'],
  ['scripts/check-docs-code.mjs'],
  ['scripts/option-docs.mjs'],
  ['scripts/openapi.mjs'],
];

/** @returns what it printed, and whether it found nothing. */
function run([script, ...args]) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [join(root, script), ...args], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const printed = [];
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => printed.push(bytes));
    child.on('close', (code) => resolve({ printed: Buffer.concat(printed), passed: code === 0 }));
  });
}

const results = await Promise.all(CHECKS.map(run));
for (const { printed } of results) process.stdout.write(printed);
process.exitCode = results.every(({ passed }) => passed) ? 0 : 1;
