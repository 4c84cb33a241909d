import { describe, expect, it } from 'vitest';

import { abortingAfter, answerOf } from '../../../src/base/deadline.js';
import { TimeoutError } from '../../../src/base/with-timeout.js';
import { VirtualClock } from '../../helpers/virtual-clock.js';

/** Rejects with the reason of the signal. */
function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const leave = (): void => reject(signal.reason as Error);
    if (signal.aborted) leave();
    signal.addEventListener('abort', leave);
  });
}

describe('a function of the application', () => {
  const clock = new VirtualClock();

  it('may answer at once, later, or with undefined', async () => {
    expect(await answerOf(clock, 'play', () => 1)).toBe(1);
    expect(await answerOf(clock, 'play', () => Promise.resolve(2))).toBe(2);
    expect(await answerOf<string | undefined>(clock, 'play', () => undefined)).toBeUndefined();
    expect(clock.pendingTimers).toBe(0);
  });

  it('fails with what it throws', async () => {
    const fail = (): never => {
      throw new Error('the vault is closed');
    };
    await expect(answerOf(clock, 'play', fail)).rejects.toThrow('the vault is closed');
    await expect(answerOf(clock, 'play', () => Promise.resolve().then(fail))).rejects.toThrow(
      'the vault is closed',
    );
    expect(clock.pendingTimers).toBe(0);
  });

  it('is not waited for longer than 5 s', async () => {
    let isSettled = false;
    const late = answerOf(clock, 'play', () => new Promise(() => undefined));
    const failed = expect(late.finally(() => (isSettled = true))).rejects.toThrow(
      'Expected an answer from play within 5000 ms',
    );
    await clock.advance(4999);
    expect(isSettled).toBe(false);
    await clock.advance(1);
    await failed;
  });
});

describe('work with a deadline', () => {
  const clock = new VirtualClock();

  it('is given up when its time is over', async () => {
    const work = abortingAfter(clock, 1000, new AbortController().signal, untilAborted);
    const failed = expect(work).rejects.toThrow(TimeoutError);
    expect(clock.pendingTimers).toBe(1);
    await clock.advance(1000);
    await failed;
  });

  it('is given up for the reason of its signal, also of one that was aborted before', async () => {
    const abort = new AbortController();
    const work = abortingAfter(clock, 1000, abort.signal, untilAborted);
    const failed = expect(work).rejects.toThrow('nobody waits');
    abort.abort(new Error('nobody waits'));
    await failed;
    await expect(abortingAfter(clock, 1000, abort.signal, untilAborted)).rejects.toThrow('nobody waits');
    expect(clock.pendingTimers).toBe(0);
  });

  it('leaves nothing behind when it is done', async () => {
    const abort = new AbortController();
    let seen: AbortSignal | undefined;
    const work = abortingAfter(clock, 1000, abort.signal, (until) => {
      seen = until;
      return Promise.resolve('done');
    });
    expect(await work).toBe('done');
    expect(clock.pendingTimers).toBe(0);
    abort.abort();
    expect(seen?.aborted).toBe(false);
  });
});
