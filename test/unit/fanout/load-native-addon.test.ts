import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { StreamKitError } from '../../../src/base/errors.js';
import { loadNativeAddon, prebuildName } from '../../../src/fanout/load-native-addon.js';

const BUILT = join(import.meta.dirname, '../../../native', 'build', 'Release', 'media_plane.node');

let folder: string;
const prebuilt = (): string => join(folder, 'native', 'prebuilds', prebuildName(), 'media_plane.node');
const built = (): string => join(folder, 'native', 'build', 'Release', 'media_plane.node');

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'addon-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function put(file: string, write: (file: string) => void): void {
  mkdirSync(dirname(file), { recursive: true });
  write(file);
}

const broken = (file: string): void => {
  writeFileSync(file, 'no addon');
};

function refusal(): StreamKitError {
  try {
    loadNativeAddon(folder);
  } catch (error) {
    if (error instanceof StreamKitError) return error;
  }
  throw new Error('Nothing was refused');
}

/** Where no compiler is there, none is built. */
const itWithAddon = it.skipIf(!existsSync(BUILT));

describe('the loader of the native addon', () => {
  it('finds none where none is built', () => {
    expect(loadNativeAddon(folder)).toBeUndefined();
  });

  it('is loud about one that does not load, and says what to run', () => {
    put(built(), broken);
    expect(refusal().message).toContain(built());
    expect(refusal().message).toContain('npx node-gyp rebuild');
  });

  itWithAddon('is loud about one of another version', () => {
    put(built(), (file) => {
      copyFileSync(BUILT, file);
    });
    expect(() => loadNativeAddon(folder, 999)).toThrow(/has surface version \d+, where 999 is expected/);
  });

  itWithAddon('takes the prebuilt one first', () => {
    put(built(), (file) => {
      copyFileSync(BUILT, file);
    });
    expect(loadNativeAddon(folder)).toBeDefined();
    put(prebuilt(), broken);
    expect(refusal().message).toContain(prebuilt());
  });

  it('names the platform, and musl where that is the C library', () => {
    expect(prebuildName()).toMatch(/^[a-z0-9]+-[a-z0-9]+(-musl)?$/);
    expect(prebuildName()).toBe(
      `${process.platform}-${process.arch}${existsSync('/etc/alpine-release') ? '-musl' : ''}`,
    );
  });
});
