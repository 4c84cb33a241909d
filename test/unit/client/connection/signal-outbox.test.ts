import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { SignalOutbox } from '../../../../src/client/connection/signal-outbox.js';
import { StreamError } from '../../../../src/client/connection/stream-error.js';

describe('SignalOutbox', () => {
  let isDown: boolean;
  let tried: string[];
  let sent: unknown[];
  let failed: string[];
  let outbox: SignalOutbox;

  beforeEach(() => {
    vi.useFakeTimers();
    isDown = false;
    [tried, sent, failed] = [[], [], []];
    outbox = new SignalOutbox(
      (type, payload) => {
        tried.push(type);
        if (isDown) return Promise.reject(new StreamError('network', 'Down.'));
        sent.push(payload ?? type);
        return Promise.resolve();
      },
      (type, { code }) => failed.push(`${type} ${code}`),
    );
  });

  afterEach(() => {
    outbox.close();
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  });

  it('sends one after the other and gives one up after four attempts', async () => {
    outbox.enqueue('sdp_answer', 1);
    outbox.enqueue('ice_candidate', 2);
    await vi.advanceTimersByTimeAsync(0);
    expect(sent).toEqual([1, 2]);
    isDown = true;
    outbox.enqueue('ice_candidate', 3);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(failed).toEqual(['ice_candidate network']);
    expect(tried).toHaveLength(2 + 4);
  });

  it('loses nothing while the event stream is down, and goes on as soon as it is back', async () => {
    isDown = true;
    outbox.hold();
    outbox.enqueue('sdp_answer', 1);
    outbox.enqueue('ice_candidate', 2);
    await vi.advanceTimersByTimeAsync(120_000);
    expect([sent, failed]).toEqual([[], []]);
    isDown = false;
    outbox.release();
    await vi.advanceTimersByTimeAsync(0);
    expect(sent).toEqual([1, 2]);
  });

  it('holds a bounded number of candidates', async () => {
    isDown = true;
    outbox.hold();
    for (let index = 0; index < 1000; index++) outbox.enqueue('ice_candidate', index);
    isDown = false;
    outbox.release();
    await vi.advanceTimersByTimeAsync(0);
    expect(sent.length).toBeLessThanOrEqual(128);
  });
});
