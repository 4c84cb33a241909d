import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');
const pages = [
  ...readdirSync(root).filter((name) => name.endsWith('.md')),
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

/** As GitHub makes anchors of headings. */
function anchorsOf(text: string): string[] {
  return Array.from(text.replace(/^```[^]*?^```/gm, '').matchAll(/^#+ (.*)$/gm), ([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replace(/ /g, '-'),
  );
}

describe.each(pages)('%s', (page) => {
  const text = readFileSync(join(root, page), 'utf8');
  const links = Array.from(text.matchAll(/\]\((?!https?:|mailto:)([^)\s]+)\)/g), ([, target = '']) => target);

  it('has links that lead somewhere', () => {
    for (const link of links) {
      const [path = '', anchor] = link.split('#');
      const file = path === '' ? join(root, page) : join(root, dirname(page), path);
      expect(existsSync(file), `${page}: ${link}`).toBe(true);
      if (anchor !== undefined)
        expect(anchorsOf(readFileSync(file, 'utf8')), `${page}: ${link}`).toContain(anchor);
    }
  });
});

it('README.md stays below 10 KB', () => {
  expect(readFileSync(join(root, 'README.md')).byteLength).toBeLessThanOrEqual(10_240);
});
