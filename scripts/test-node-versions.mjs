// Runs the unit tests, and the integration tests of the addon and of what OpenSSL does for werift, under each supported
// major version of Node.js. Their binaries come from the npm registry, into a temporary folder. A version that cannot be
// installed is left out with one line.
//
//   node scripts/test-node-versions.mjs [major …]      default: 20 22 24
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const given = process.argv.slice(2);
const majors = given.length > 0 ? given : ['20', '22', '24'];
const platform = { win32: 'win' }[process.platform] ?? process.platform;
const packageName = `node-${platform}-${process.arch}`;
const VITEST = 'node_modules/vitest/vitest.mjs';
const RUNS = [
  ['run', '--project', 'unit'],
  [
    ...['run', '--project', 'integration'],
    ...['test/integration/native-media-plane.test.ts', 'test/integration/media-socket.test.ts'],
    'test/integration/werift-x25519.test.ts',
  ],
];

function run(command, args, options = {}) {
  return spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options }).status === 0;
}

let passed = true;
for (const major of majors) {
  const folder = mkdtempSync(join(tmpdir(), 'node-version-'));
  try {
    const install = [
      'install',
      '--prefix',
      folder,
      '--no-save',
      '--ignore-scripts',
      '--no-audit',
      '--no-fund',
    ];
    if (!run('npm', [...install, `${packageName}@${major}`], { cwd: folder, stdio: 'ignore' })) {
      console.log(`LEFT OUT Node.js ${major}: ${packageName}@${major} could not be installed.`);
      continue;
    }
    const node = join(folder, 'node_modules', packageName, 'bin', 'node');
    console.log(`Node.js ${spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim()}`);
    for (const args of RUNS) passed = run(node, [VITEST, ...args]) && passed;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
process.exitCode = passed ? 0 : 1;
