import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';

import { build, type BuildOptions } from 'esbuild';
import { expect, it } from 'vitest';

const script = pathToFileURL(join(import.meta.dirname, '../../../scripts/client-bundle.mjs')).href;
const { clientBundle } = (await import(script)) as { clientBundle: BuildOptions };

const MAX_GZIPPED_BYTES = 15_000;

/** As `scripts/build.mjs` makes what is shipped. */
async function bundle(external: string[]): Promise<string> {
  const { outputFiles } = await build({ ...clientBundle, external, write: false as const });
  return outputFiles[0]?.text ?? '';
}

it('is one file for a browser, below 15 KB gzipped', async () => {
  const shipped = await bundle([]);
  // gzip's own level.
  expect(gzipSync(shipped, { level: 6 }).byteLength).toBeLessThan(MAX_GZIPPED_BYTES);
  expect(shipped).not.toMatch(/\bfrom\s*["']|\bimport\s*["'(]/);
});

it('needs nothing but fast-json-patch', async () => {
  const alone = await bundle(['fast-json-patch/*']);
  const imports = Array.from(alone.matchAll(/\bfrom\s*["']([^"']+)["']/g), ([, name]) => name);
  expect(imports).toEqual(['fast-json-patch/module/core.mjs']);
});
