import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, it } from 'vitest';

const root = join(import.meta.dirname, '..', '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

/** The script and those of its own folder that it loads. */
function withImports(path: string): string[] {
  const imported = [...read(path).matchAll(/from '\.\/([\w-]+\.mjs)'/g)].map(
    ([, name = '']) => `scripts/${name}`,
  );
  return [path, ...imported.flatMap(withImports)];
}

it('the image is built by scripts that its context has', () => {
  const run = [...read('Dockerfile').matchAll(/node (scripts\/[\w-]+\.mjs)/g)].map(([, path = '']) => path);
  expect(run).toContain('scripts/build.mjs');
  const context = read('.dockerignore').split('\n');
  for (const path of run.flatMap(withImports)) expect(context).toContain(`!${path}`);
});
