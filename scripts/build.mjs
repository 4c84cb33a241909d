// Compiles the server, the client SDK and the in-page code, and copies what is no code. `dist` is made anew.
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');

rmSync(join(root, 'dist'), { recursive: true, force: true });
for (const project of ['.', 'src/client', 'src/capture/page', 'src/demo/page']) {
  execFileSync(process.execPath, [tsc, '-p', join(root, project)], { stdio: 'inherit' });
}
const assets = join(root, 'src/demo/public');
if (existsSync(assets)) cpSync(assets, join(root, 'dist/demo/public'), { recursive: true });
chmodSync(join(root, 'dist/demo/main.js'), 0o755);
