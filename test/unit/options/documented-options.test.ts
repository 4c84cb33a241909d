import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { describe, expect, it } from 'vitest';

import { byCodec } from '../../../src/protocol/video-codecs.js';
import { resolveOptions } from '../../../src/options/stream-kit-options.js';

interface DocumentedOption {
  name: string;
  type: string;
  unit: string | undefined;
  bounds: string | undefined;
  fallback: string | undefined;
}

const root = join(import.meta.dirname, '../../..');
const script = pathToFileURL(join(root, 'scripts/documented-options.mjs')).href;
const { documentedOptions } = (await import(script)) as {
  documentedOptions: (root: string) => { options: DocumentedOption[] };
};
const { options } = documentedOptions(root);

/** What a member needs beside it to be taken. */
const SIBLINGS: Readonly<Record<string, object>> = {
  cors: { origins: '*' },
  cluster: {
    redis: 'redis://127.0.0.1',
    nodeId: 'one',
    advertiseUrl: 'http://127.0.0.1/stream',
    secret: 'of sixty-four bytes'.padEnd(64, '.'),
  },
  overflow: { when: { viewers: 1 }, publish: 'https://sfu.example.org/whip', play: () => undefined },
  profileDirectory: { path: '/tmp/profiles' },
  pool: { size: 1 },
  recording: { directory: '/tmp/recordings' },
  terminal: { enabled: true },
  streamTokens: { secret: 'of sixty-four bytes'.padEnd(64, '.') },
};

const FACTORS: Readonly<Record<string, number>> = {
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  hours: 3_600_000,
};

/** `300000`, `4 GiB`, `4 hours`, `60 a minute`; `2^53` is the first integer that is not safe. NaN: words. */
function numberOf(text: string): number {
  if (text === '2^53') return Number.MAX_SAFE_INTEGER;
  const [, digits, unit] = /^(\d+)(?: (KiB|MiB|GiB|hours)| (?:an?|per) \w+)?$/.exec(text) ?? [];
  return digits === undefined ? NaN : Number(digits) * (unit === undefined ? 1 : (FACTORS[unit] ?? NaN));
}

/** What the source makes of one option, `recording.maxBytes` for a member; no value: it is left out. */
function resolved(name: string, value?: unknown): unknown {
  const [outer = '', ...inner] = name.split('.');
  const last = inner.length - 1;
  const given = inner.reduceRight<unknown>(
    (member, key, depth) => ({
      ...(depth === 0 ? SIBLINGS[outer] : {}),
      ...(depth < last || member !== undefined ? { [key]: member } : {}),
    }),
    value,
  );
  const all: unknown = resolveOptions({ [outer]: given });
  return name.split('.').reduce((found, key) => (found as Record<string, unknown>)[key], all);
}

const numbers = options.filter(({ type, bounds }) => type === 'number' && bounds !== undefined);

describe('what the docstrings say of the options', () => {
  it.each(numbers)('$name is bounded by $bounds', ({ name, bounds = '' }) => {
    const [least = NaN, most = NaN] = bounds.split('–').map(numberOf);
    expect(resolved(name, least)).toBe(least);
    expect(resolved(name, most)).toBe(most);
    expect(() => resolved(name, least - 1)).toThrow(`integer between ${least} and ${most} for ${name}`);
    expect(() => resolved(name, most + 1)).toThrow(`integer between ${least} and ${most} for ${name}`);
  });

  const literal = options.filter(({ fallback }) => /^(?:true|false|none|`[^`]+`|\d.*)$/.test(fallback ?? ''));

  it.each(literal)('$name is $fallback where it is left out', ({ name, fallback = '' }) => {
    const value = resolved(name);
    const words = [...fallback.matchAll(/`([^`]+)`/g)].map(([, word]) => word);
    if (name === 'defaultViewport') {
      const { width, height } = value as { width: number; height: number };
      expect(`${width} x ${height}`).toBe(fallback);
    } else if (name === 'encoder') expect(value).toEqual(byCodec(() => words[0]));
    else if (fallback === 'none') expect([undefined, [], {}]).toContainEqual(value);
    // The resolved path ends without a slash; what is off has nothing to resolve.
    else if (words.length > 0)
      expect(value).toEqual(Array.isArray(value) ? words : words[0]?.replace(/^\/$/, ''));
    else if (fallback === 'false') expect([false, undefined, 0]).toContain(value);
    else if (fallback === 'true') expect(value).toBe(true);
    else expect(value).toBe(numberOf(fallback));
  });

  it('reads the interfaces that other modules add', () => {
    const names = options.map(({ name }) => name);
    expect(names).toEqual(
      expect.arrayContaining(['targetPolicy.schemes', 'recording.maxBytes', 'hls.idleMs']),
    );
    expect(numbers.length).toBeGreaterThan(10);
    expect(literal.length).toBeGreaterThan(20);
  });
});
