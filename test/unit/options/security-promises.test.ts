import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { root } from '../../helpers/product.js';

describe('the table of security promises', () => {
  it('names tests that exist', () => {
    const page = readFileSync(join(root, 'docs/security.md'), 'utf8');
    const paths = [...page.matchAll(/`((?:test|native|scripts)\/[^`]+)`/g)].map(([, path]) => path ?? '');
    expect(paths.length).toBeGreaterThan(20);
    expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });
});
