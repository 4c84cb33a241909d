import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { ConnectPatience } from '../../../../src/client/connection/connect-patience.js';

let over: number;
let patience: ConnectPatience;

beforeEach(() => {
  vi.useFakeTimers();
  over = 0;
  patience = new ConnectPatience(() => over++);
});
afterEach(() => {
  vi.useRealTimers();
});

it('is over 5 s after the first offer that leads to no connection', () => {
  patience.offered();
  vi.advanceTimersByTime(4000);
  patience.offered();
  vi.advanceTimersByTime(999);
  expect(over).toBe(0);
  vi.advanceTimersByTime(1);
  expect(over).toBe(1);
  vi.advanceTimersByTime(20_000);
  expect(over).toBe(1);
  patience.offered();
  vi.advanceTimersByTime(5000);
  expect(over).toBe(2);
});

it('does not end while there is a connection, and begins with the offer that follows its loss', () => {
  patience.offered();
  vi.advanceTimersByTime(4000);
  patience.stateChanged('connected');
  patience.offered();
  vi.advanceTimersByTime(20_000);
  patience.stateChanged('disconnected');
  vi.advanceTimersByTime(20_000);
  expect(over).toBe(0);
  patience.offered();
  vi.advanceTimersByTime(5000);
  expect(over).toBe(1);
});

it('ends at once with a failure, and then not again', () => {
  patience.offered();
  patience.stateChanged('connecting');
  patience.stateChanged('failed');
  expect(over).toBe(1);
  vi.advanceTimersByTime(20_000);
  expect(over).toBe(1);
});

it('does not end, and leaves no timer, while nothing can be offered', () => {
  patience.offered();
  patience.hold();
  expect(vi.getTimerCount()).toBe(0);
  vi.advanceTimersByTime(20_000);
  expect(over).toBe(0);
});
