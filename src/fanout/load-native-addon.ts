import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { asError, StreamKitError } from '../base/errors.js';
import type { NativeAddon } from './native-addon.js';

/** The surface of `native-addon.ts` as it is known here. */
export const NATIVE_SURFACE_VERSION = 14;

const ADDON_FILE = 'media_plane.node';
/** This file lies two folders below it, in `src` as in `dist`. */
const PACKAGE_ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The part of `process.report` that is used here. */
interface ProcessReport {
  excludeNetwork?: boolean;
  getReport(): { readonly header?: { readonly glibcVersionRuntime?: string } };
}

/** Folder of the prebuilt addon for this process: an addon for glibc does not load with musl. */
export function prebuildName(): string {
  return `${process.platform}-${process.arch}${process.platform === 'linux' && !hasGlibc() ? '-musl' : ''}`;
}

function hasGlibc(): boolean {
  const report = process.report as unknown as ProcessReport;
  const { excludeNetwork } = report;
  // Otherwise the report looks up the names of all peers of all sockets.
  report.excludeNetwork = true;
  try {
    return report.getReport().header?.glibcVersionRuntime !== undefined;
  } finally {
    if (excludeNetwork !== undefined) report.excludeNetwork = excludeNetwork;
  }
}

/**
 * Loads the addon of the native media plane: a prebuilt one for this platform first, then one that was built here.
 *
 * @param packageRoot - folder that holds `native`
 * @param surfaceVersion - the one that is expected
 * @returns undefined where there is none
 * @throws StreamKitError `internal` where there is one that does not load, or that belongs to another version: what is
 * broken must not pass for absent. Its message says what to run.
 */
export function loadNativeAddon(
  packageRoot = PACKAGE_ROOT,
  surfaceVersion = NATIVE_SURFACE_VERSION,
): NativeAddon | undefined {
  const folder = join(packageRoot, 'native');
  const file = [
    join(folder, 'prebuilds', prebuildName(), ADDON_FILE),
    join(folder, 'build', 'Release', ADDON_FILE),
  ].find((candidate) => existsSync(candidate));
  if (file === undefined) {
    return undefined;
  }
  const remedy = `Build it again with "npx node-gyp rebuild --directory ${folder}", or set mediaPlane to "werift"`;
  let addon: Partial<NativeAddon>;
  try {
    addon = createRequire(import.meta.url)(file) as Partial<NativeAddon>;
  } catch (thrown) {
    const cause = asError(thrown);
    throw new StreamKitError(
      'internal',
      `The native media plane ${file} does not load: ${cause.message}. ${remedy}`,
      { cause },
    );
  }
  if (addon.surfaceVersion !== surfaceVersion || typeof addon.createPlane !== 'function') {
    throw new StreamKitError(
      'internal',
      `The native media plane ${file} has surface version ${String(addon.surfaceVersion)}, where ${surfaceVersion} is expected. ${remedy}`,
    );
  }
  return addon as NativeAddon;
}
