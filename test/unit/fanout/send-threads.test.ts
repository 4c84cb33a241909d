import { describe, expect, it } from 'vitest';

import { sendThreadsFor } from '../../../src/fanout/send-threads.js';

describe('the threads that send', () => {
  it.each([
    [0.5, 1],
    [1, 1],
    [2, 1],
    [3.9, 1],
    [4, 2],
    [16, 8],
    [128, 8],
  ])('of %d cores are %d', (cores, threads) => {
    expect(sendThreadsFor(cores)).toBe(threads);
  });
});
