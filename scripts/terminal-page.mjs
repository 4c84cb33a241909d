import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { build } from 'esbuild';

const PACKAGES = ['@xterm/xterm', '@xterm/addon-fit', '@xterm/addon-unicode11'];

/**
 * Makes the demo's terminal page one file with xterm.js in it, which is not needed otherwise, in place of what the compiler
 * has made; with xterm.js' style sheet and the licences of what is in it, as those want.
 *
 * @param root - of the package.
 */
export async function buildTerminalPage(root) {
  const scripts = join(root, 'dist/demo/page/terminal');
  const assets = join(root, 'dist/demo/public/terminal');
  rmSync(scripts, { recursive: true, force: true });
  await build({
    entryPoints: [join(root, 'src/demo/page/terminal/main.ts')],
    outfile: join(scripts, 'main.js'),
    bundle: true,
    minify: true,
    legalComments: 'eof',
    format: 'esm',
    target: 'es2022',
    logLevel: 'warning',
  });
  mkdirSync(assets, { recursive: true });
  cpSync(join(root, 'node_modules/@xterm/xterm/css/xterm.css'), join(assets, 'xterm.css'));
  const licences = PACKAGES.map(
    (name) => `${name}\n\n${readFileSync(join(root, 'node_modules', name, 'LICENSE'), 'utf8').trim()}\n`,
  );
  writeFileSync(join(scripts, 'main.LICENSES.txt'), licences.join('\n\n'));
}
