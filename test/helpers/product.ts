import { join } from 'node:path';

/** The repository. */
export const root = join(import.meta.dirname, '..', '..');

/**
 * The built package, as a user gets it: its worker threads and in-page scripts exist only there. The types are those
 * of the sources, so that a check of types needs no build.
 */
export const product = (await import(join(root, 'dist', 'index.js'))) as typeof import('../../src/index.js');
