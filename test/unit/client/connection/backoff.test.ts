import { describe, expect, it } from 'vitest';
import { Backoff } from '../../../../src/client/connection/backoff.js';

describe('Backoff', () => {
  it('doubles from the base to the bound and begins anew after a reset', () => {
    const backoff = new Backoff(1000, 10_000, () => 1);
    expect(Array.from({ length: 6 }, () => backoff.nextMs())).toEqual([
      1000, 2000, 4000, 8000, 10_000, 10_000,
    ]);
    backoff.reset();
    backoff.setBaseMs(200);
    expect(backoff.nextMs()).toBe(200);
  });

  it('spreads viewers over half of the wait', () => {
    expect(new Backoff(1000, 10_000, () => 0).nextMs()).toBe(500);
  });
});
