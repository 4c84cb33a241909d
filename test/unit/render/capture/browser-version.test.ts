import { mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { browserVersion, windowedUserAgent } from '../../../../src/render/capture/browser-version.js';

const { signal } = new AbortController();
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'browser-version-'));
});

afterEach(() => rm(folder, { recursive: true }));

/** A browser that only prints. */
async function browser(text: string, path = 'chromium'): Promise<string> {
  const executablePath = join(folder, path);
  await mkdir(dirname(executablePath), { recursive: true });
  await writeFile(executablePath, `#!/bin/sh\necho "${text}"\n`, { mode: 0o755 });
  return executablePath;
}

test.each([
  ['Chromium 140.0.7339.82 built on Debian GNU/Linux 12 (bookworm)', 140],
  ['Google Chrome for Testing 139.0.7258.66 ', 139],
])('the major version of "%s" is in the user agent', async (text, major) => {
  const version = await browserVersion(await browser(text), undefined, signal);
  expect(version?.major).toBe(major);
  expect(version && windowedUserAgent(version)).toContain(` Chrome/${major}.0.0.0 `);
});

test('the folder of a download of Puppeteer names the version, and the browser is not asked', async () => {
  const path = await browser('Chromium 1.2.3.4', 'chrome/linux-141.0.7390.54/chrome-linux64/chrome');
  expect(await browserVersion(path, undefined, signal)).toMatchObject({ major: 141 });
});

test('a browser is asked again only when its file has changed', async () => {
  const path = await browser('Chromium 140.0.7339.82');
  const first = await browserVersion(path, undefined, signal);
  const known = first && { ...first, major: 7 };
  expect(await browserVersion(path, known, signal)).toBe(known);
  await utimes(path, 1, 1);
  expect(await browserVersion(path, known, signal)).toMatchObject({ major: 140, modifiedMs: 1000 });
});

test('a file that names no version has none', async () => {
  expect(await browserVersion(await browser('v22.1.0'), undefined, signal)).toBeUndefined();
  expect(await browserVersion(join(folder, 'nowhere'), undefined, signal)).toBeUndefined();
  expect(await browserVersion(folder, undefined, signal)).toBeUndefined();
});
