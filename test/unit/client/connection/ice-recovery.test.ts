import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { IceRecovery } from '../../../../src/client/connection/ice-recovery.js';

describe('IceRecovery', () => {
  let restarts = 0;
  let gaveUp = 0;
  let recovery: IceRecovery;

  beforeEach(() => {
    vi.useFakeTimers();
    restarts = 0;
    gaveUp = 0;
    recovery = new IceRecovery({ onRestartWanted: () => restarts++, onGaveUp: () => gaveUp++ });
  });

  afterEach(() => {
    recovery.close();
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  });

  it('lets a short disconnection heal', () => {
    recovery.stateChanged('disconnected');
    vi.advanceTimersByTime(2900);
    recovery.stateChanged('connected');
    vi.advanceTimersByTime(60_000);
    expect(restarts).toBe(0);
  });

  it('restarts after 3 s of disconnection, and at once after a failure', () => {
    recovery.stateChanged('disconnected');
    vi.advanceTimersByTime(3000);
    expect(restarts).toBe(1);
    recovery.stateChanged('connected');
    recovery.stateChanged('failed');
    vi.advanceTimersByTime(0);
    expect(restarts).toBe(2);
  });

  it('restarts when the first connection does not come', () => {
    recovery.expectConnection();
    vi.advanceTimersByTime(12_000);
    expect(restarts).toBe(1);
  });

  it('gives up after three restarts in vain', () => {
    recovery.stateChanged('failed');
    vi.advanceTimersByTime(60_000);
    expect([restarts, gaveUp]).toEqual([3, 1]);
  });

  it('does not count while it cannot ask, and asks when it can again', () => {
    recovery.signalingLost();
    recovery.stateChanged('failed');
    vi.advanceTimersByTime(120_000);
    expect([restarts, gaveUp]).toEqual([0, 0]);
    recovery.signalingRestored();
    vi.advanceTimersByTime(0);
    expect(restarts).toBe(1);
  });

  it('waits for an offer that was lost with the event stream before it asks again', () => {
    recovery.stateChanged('failed');
    vi.advanceTimersByTime(0);
    recovery.signalingLost();
    recovery.signalingRestored();
    vi.advanceTimersByTime(500);
    recovery.expectConnection();
    vi.advanceTimersByTime(5000);
    expect(restarts).toBe(1);
    recovery.signalingLost();
    recovery.signalingRestored();
    vi.advanceTimersByTime(1000);
    expect(restarts).toBe(2);
  });

  it('gives up soon after a refusal, unless an offer comes', () => {
    recovery.stateChanged('failed');
    vi.advanceTimersByTime(0);
    recovery.restartRefused();
    recovery.expectConnection();
    vi.advanceTimersByTime(5000);
    expect(gaveUp).toBe(0);
    recovery.restartRefused();
    vi.advanceTimersByTime(2000);
    expect(gaveUp).toBe(1);
  });

  it('does not wait for a silent pair to heal when the network has changed', () => {
    recovery.hurry();
    recovery.stateChanged('disconnected');
    recovery.hurry();
    vi.advanceTimersByTime(0);
    expect(restarts).toBe(1);
    // Once a restart is under way there is nothing to hurry.
    recovery.hurry();
    vi.advanceTimersByTime(1000);
    expect(restarts).toBe(1);
  });
});
