import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

import { build } from 'esbuild';
import { expect, it } from 'vitest';

const MAX_GZIPPED_BYTES = 15 * 1024;

/** As `scripts/build.mjs` makes what is shipped. */
async function bundle(external: string[]): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, '../../../src/client/index.ts')],
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    write: false,
    external,
  });
  return outputFiles[0]?.text ?? '';
}

it('is one file for a browser, below 15 KB', async () => {
  const shipped = await bundle([]);
  const size = gzipSync(shipped, { level: 9 }).byteLength;
  expect(size).toBeLessThan(MAX_GZIPPED_BYTES);
  expect(shipped).not.toMatch(/\bfrom\s*["']|\bimport\s*["'(]/);
});

it('needs nothing but fast-json-patch', async () => {
  const alone = await bundle(['fast-json-patch/*']);
  const imports = Array.from(alone.matchAll(/\bfrom\s*["']([^"']+)["']/g), ([, name]) => name);
  expect(imports).toEqual(['fast-json-patch/module/core.mjs']);
});
