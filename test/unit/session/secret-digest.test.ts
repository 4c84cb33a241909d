import { describe, expect, it } from 'vitest';

import { secretDigest } from '../../../src/session/secret-digest.js';

describe('the digest of a secret', () => {
  it('is the same for the same alone', () => {
    const digests = ['a', 'b', 'ab', ''].map(secretDigest);
    expect(new Set(digests).size).toBe(4);
    expect(secretDigest('ab')).toBe(digests[2]);
  });

  it('is not made of what is too long to be one, which a client may send by the megabyte', () => {
    expect(secretDigest('x'.repeat(256))).not.toBe('');
    expect(secretDigest('x'.repeat(257))).toBe('');
  });
});
