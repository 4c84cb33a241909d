import { join } from 'node:path';

const client = join(import.meta.dirname, '../src/client');
const browserModule = {
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  logLevel: 'warning',
};

/** What the client loads when it needs it, by name; each is a file of its own beside it. */
export const clientChunks = ['socket-media'];

/**
 * How esbuild makes the client: one file with fast-json-patch in it, so that a browser can load it as it is, without a bundler
 * or an import map.
 */
export const clientBundle = {
  ...browserModule,
  entryPoints: [join(client, 'index.ts')],
  external: clientChunks.map((name) => `*/${name}.js`),
};

/** @param {string} name - one of {@link clientChunks}. */
export function clientChunk(name) {
  return { ...browserModule, entryPoints: [join(client, `${name}.ts`)] };
}
