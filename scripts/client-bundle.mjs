import { join } from 'node:path';

/**
 * How esbuild makes the client: one file with fast-json-patch in it, so that a browser can load it as it is, without a bundler
 * or an import map; and beside it what is loaded only when it is asked for.
 */
export const clientBundle = bundleOf('index');
/** What only those need who control a stream. */
export const inputControlBundle = bundleOf('input-control');

function bundleOf(name) {
  return {
    entryPoints: [join(import.meta.dirname, `../src/client/${name}.ts`)],
    bundle: true,
    external: name === 'index' ? ['./input-control.js'] : [],
    minify: true,
    format: 'esm',
    target: 'es2022',
    logLevel: 'warning',
  };
}
