import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

import { expect, it } from 'vitest';

const root = join(import.meta.dirname, '../../..');
const resolve = createRequire(import.meta.url).resolve;

/** The packages that files load, from these on, by static and dynamic imports. */
function packagesOf(entries: readonly string[]): Set<string> {
  const packages = new Set<string>();
  const files = new Set(entries);
  for (const file of files) {
    const text = readFileSync(file, 'utf8');
    for (const [, name = ''] of text.matchAll(/(?:\bfrom|\bimport|\brequire)\s*\(?\s*['"]([^'"\n]+)['"]/g)) {
      if (name.startsWith('.')) files.add(join(dirname(file), name));
      else packages.add(name);
    }
  }
  return packages;
}

it('what we load of node-av loads neither its WebRTC nor the package ip (CVE-2024-29415)', () => {
  const packages = packagesOf([resolve('node-av/lib'), resolve('node-av/constants')]);
  expect(packages.size).toBeGreaterThan(5);
  expect([...packages]).not.toContain('werift');
  expect([...packages]).not.toContain('ip');
  // The search finds it where it is.
  expect([...packagesOf([resolve('node-av/webrtc')])]).toContain('werift');
});

it('the lock file has no package ip', () => {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as { packages: object };
  expect(Object.keys(lock.packages).filter((path) => path.endsWith('node_modules/ip'))).toEqual([]);
});
