// Compiles the server, the client SDK and the in-page code, and copies what is no code. `dist` is made anew.
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

import { build } from 'esbuild';

import { buildTerminalPage } from './terminal-page.mjs';
import { bundleOf, clientBundle, clientChunks, clientElement } from './client-bundle.mjs';

const root = join(import.meta.dirname, '..');
const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');

rmSync(join(root, 'dist'), { recursive: true, force: true });
// What comes later in this list looks at the declarations of what comes before.
for (const project of [
  '.',
  'src/client',
  'src/react',
  'src/render/capture/page',
  'src/demo/page',
  'src/admin/page',
]) {
  execFileSync(process.execPath, [tsc, '-p', join(root, project)], { stdio: 'inherit' });
}
await build({ ...clientBundle, outfile: join(root, 'dist/client/index.js'), sourcemap: true });
for (const name of [...clientChunks, clientElement]) {
  await build({ ...bundleOf(name), outfile: join(root, 'dist/client', `${name}.js`), sourcemap: true });
}
// Left by the compilation of what imports it, and part of those files now.
for (const path of readdirSync(join(root, 'dist/client'), { recursive: true })) {
  if (/\.js(\.map)?$/.test(path) && !['index', clientElement, ...clientChunks].includes(path.split('.')[0]))
    rmSync(join(root, 'dist/client', path));
}
const assets = join(root, 'src/demo/public');
if (existsSync(assets)) cpSync(assets, join(root, 'dist/demo/public'), { recursive: true });
await buildTerminalPage(root);
chmodSync(join(root, 'dist/demo/main.js'), 0o755);
