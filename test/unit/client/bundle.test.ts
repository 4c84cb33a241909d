import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';

import { build, type BuildOptions } from 'esbuild';
import { expect, it } from 'vitest';

const script = pathToFileURL(join(import.meta.dirname, '../../../scripts/client-bundle.mjs')).href;
const { bundleOf, clientBundle, clientChunks } = (await import(script)) as {
  bundleOf: (name: string) => BuildOptions;
  clientBundle: BuildOptions;
  clientChunks: string[];
};

const MAX_GZIPPED_BYTES = 15_000;
/** Of what is loaded only to control, where UDP is blocked, or by those who are sent to a media server. */
const MAX_CHUNK_BYTES = new Map([
  ['input-control', 6000],
  ['overflow-media', 3500],
  ['picture-clock', 800],
  ['prompt-view', 3000],
  ['socket-media', 5000],
  ['sound-buffer', 600],
  ['stats-sampler', 2000],
]);

/** As `scripts/build.mjs` makes what is shipped. */
async function bundle(options: BuildOptions): Promise<string> {
  const { outputFiles } = await build({ ...options, write: false as const });
  return outputFiles[0]?.text ?? '';
}

it('is one file for a browser, below 15 KB gzipped', async () => {
  const shipped = await bundle(clientBundle);
  // gzip's own level.
  expect(gzipSync(shipped, { level: 6 }).byteLength).toBeLessThan(MAX_GZIPPED_BYTES);
  expect(shipped).not.toMatch(/\bfrom\s*["']|\bimport\s*["']/);
  const loaded = Array.from(shipped.matchAll(/\bimport\(([^)]*)\)/g), ([, name]) => name);
  // What is drawn of a page's prompts is loaded by what controls it.
  const own = clientChunks.filter((name) => name !== 'prompt-view');
  expect(loaded.sort()).toEqual(own.map((name) => `"./${name}.js"`));
});

it.each([...MAX_CHUNK_BYTES])('%s is a file of its own, and needs nothing', async (name, maxBytes) => {
  const shipped = await bundle(bundleOf(name));
  expect(gzipSync(shipped, { level: 6 }).byteLength).toBeLessThan(maxBytes);
  // The one is beside it, the other the application brings.
  expect(shipped.replaceAll(/import\("(\.\/prompt-view\.js|livekit-client)"\)/g, '')).not.toMatch(
    /\bfrom\s*["']|\bimport\s*["'(]/,
  );
});

it('the element is a file beside the client, which it loads', async () => {
  const shipped = await bundle(bundleOf('stream-view'));
  expect(gzipSync(shipped, { level: 6 }).byteLength).toBeLessThan(2000);
  const imports = Array.from(shipped.matchAll(/\bfrom\s*["']([^"']+)["']/g), ([, name]) => name);
  expect(new Set(imports)).toEqual(new Set(['./index.js']));
});

it('needs nothing but fast-json-patch', async () => {
  const external = [...(clientBundle.external ?? []), 'fast-json-patch/*'];
  const alone = await bundle({ ...clientBundle, external });
  const imports = Array.from(alone.matchAll(/\bfrom\s*["']([^"']+)["']/g), ([, name]) => name);
  expect(imports).toEqual(['fast-json-patch/module/core.mjs']);
});
