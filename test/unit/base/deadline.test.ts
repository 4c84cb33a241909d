import { describe, expect, it } from 'vitest';

import { abortingAfter } from '../../../src/base/deadline.js';
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
