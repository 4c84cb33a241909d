import { join } from 'node:path';

/**
 * How esbuild makes the client: one file with fast-json-patch in it, so that a browser can load it as it is, without a bundler
 * or an import map.
 */
export const clientBundle = {
  entryPoints: [join(import.meta.dirname, '../src/client/index.ts')],
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  logLevel: 'warning',
};
