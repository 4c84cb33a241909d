import { beforeEach, describe, expect, it } from 'vitest';

import { KeyframeRequestPolicy } from '../../../src/fanout/keyframe-request-policy.js';
import { ManualClock } from './manual-clock.js';

describe('KeyframeRequestPolicy', () => {
  let clock: ManualClock;
  let wanted: number;
  let policy: KeyframeRequestPolicy;

  beforeEach(() => {
    clock = new ManualClock();
    wanted = 0;
    policy = new KeyframeRequestPolicy(clock, 300, () => {
      wanted += 1;
    });
  });

  it('passes the first request on at once', () => {
    policy.request();
    expect(wanted).toBe(1);
  });

  it('makes one request of all during the interval, at its end', () => {
    policy.request();
    clock.advance(100);
    policy.request();
    policy.request();
    clock.advance(199);
    expect(wanted).toBe(1);
    clock.advance(1);
    expect(wanted).toBe(2);
    clock.advance(10_000);
    expect(wanted).toBe(2);
  });

  it('forgets requests that a keyframe has met', () => {
    policy.request();
    policy.request();
    policy.keyframePassed();
    clock.advance(1000);
    expect(wanted).toBe(1);
  });

  it('keeps a request that came after the keyframe', () => {
    policy.request();
    policy.keyframePassed();
    policy.request();
    clock.advance(300);
    expect(wanted).toBe(2);
  });

  it('starts a new interval with the request at the end of one', () => {
    policy.request();
    policy.request();
    clock.advance(300);
    policy.request();
    clock.advance(299);
    expect(wanted).toBe(2);
    clock.advance(1);
    expect(wanted).toBe(3);
  });

  it('leaves no timer and asks for nothing after close', () => {
    policy.request();
    policy.request();
    policy.close();
    policy.request();
    expect(clock.pendingTimers).toBe(0);
    clock.advance(1000);
    expect(wanted).toBe(1);
  });
});
