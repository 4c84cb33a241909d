import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { missingFonts } from '../../../src/demo/installed-fonts.js';

let folder: string;
const { PATH } = process.env;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fonts-'));
  process.env.PATH = folder;
});

afterEach(() => {
  process.env.PATH = PATH;
  rmSync(folder, { recursive: true });
});

it('the scripts are named that have no font, with a package that has one', async () => {
  const list = '#!/bin/sh\ncase "$1" in :lang=ja | :lang=hi) ;; *) echo "A Font" ;; esac\n';
  writeFileSync(join(folder, 'fc-list'), list, { mode: 0o755 });
  expect(await missingFonts()).toEqual([
    { script: 'Chinese, Japanese, Korean', language: 'ja', packageName: 'fonts-noto-cjk' },
    { script: 'Devanagari', language: 'hi', packageName: 'fonts-noto-core' },
  ]);
});

it('nothing is said of fonts where fontconfig is not installed', async () => {
  expect(await missingFonts()).toBeUndefined();
});
