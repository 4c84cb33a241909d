import { join } from 'node:path';

import { expect, it } from 'vitest';

import { root } from '../helpers/product.js';

interface Measured {
  readonly encoder: string;
  readonly own: boolean;
  readonly size: string;
  readonly content: string;
  readonly setting: string;
  readonly targetKbps: number;
  readonly kbps: number;
  readonly cpuMs: number;
  readonly ssim: number;
}

const { comparison, encoderRule } = (await import(join(root, 'scripts/bench/encode-rule.mjs'))) as {
  comparison: (measured: Measured[]) => Record<string, string>[];
  encoderRule: (measured: Measured[]) => { rows: Record<string, string>[]; rule: string };
};

const of = (encoder: string, cpuMs: number, ssim: number, more: Partial<Measured> = {}): Measured => ({
  ...{ encoder, cpuMs, ssim, setting: 'own', own: true, size: '720p', content: 'text' },
  ...{ targetKbps: 4000, kbps: 4000, ...more },
});

it('compares the encoders in one line per size, and marks one that takes more bits', () => {
  expect(
    comparison([
      of('libx264', 7, 0.99),
      of('libx264', 12, 0.95, { content: 'film', kbps: 4500 }),
      of('libvpx', 13, 0.996, { own: false }),
    ]),
  ).toEqual([
    { size: '720p', encoder: 'libx264 own *', text: '7.0 ms 0.9900 4.0M', film: '12.0 ms 0.9500 4.5M !' },
    { size: '720p', encoder: 'libvpx own', text: '13.0 ms 0.9960 4.0M' },
  ]);
});

it('makes an encoder the default only if it is better somewhere and worse nowhere', () => {
  const film = { content: 'film' };
  const base = [of('libx264', 10, 0.95), of('libx264', 10, 0.9, film)];
  expect(encoderRule([...base, of('better', 12, 0.96), of('better', 12, 0.9, film)])).toMatchObject({
    rows: [{ content: 'text', 'beats libx264': 'better' }, { 'beats libx264': '-' }],
    rule: expect.stringMatching(/^better: /) as string,
  });
  for (const lost of [
    of('other', 13, 0.9, film),
    of('other', 10, 0.89, film),
    of('other', 5, 0.95, { ...film, kbps: 5000 }),
  ]) {
    const { rule } = encoderRule([...base, of('other', 8, 0.95), lost]);
    expect(rule).toContain('stays the default');
  }
  // What is only tried is no default.
  expect(encoderRule([...base, of('tried', 1, 1, { own: false })]).rule).toContain('stays the default');
});

it('names what takes the least CPU time, and the best that leaves room for the page', () => {
  const [row] = encoderRule([of('libx264', 8, 0.95), of('good', 16, 0.97), of('best', 40, 0.99)]).rows;
  expect(row).toMatchObject({ 'least CPU': 'libx264', 'best within 17 ms': 'good' });
});
