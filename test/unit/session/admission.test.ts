import { beforeEach, describe, expect, it } from 'vitest';

import { Admission, SESSION_COST, sessionsOf, shortageFor } from '../../../src/session/admission.js';
import { poolRoom } from '../../../src/session/pool-room.js';
import { FakeMachine } from '../../helpers/fake-machine.js';
import { VirtualClock } from '../../helpers/virtual-clock.js';

const GIB = 2 ** 30;
const plenty = { availableBytes: 64 * GIB, pending: 0 };

// Sessions are told apart by identity.
const [a, b, c] = [{}, {}, {}];

describe('sessionsOf', () => {
  it.each([
    [{ cores: 2, memoryBytes: 8 * GIB }, 2],
    [{ cores: 4, memoryBytes: 8 * GIB }, 5],
    [{ cores: 16, memoryBytes: 4 * GIB }, 8],
    [{ cores: 0.5, memoryBytes: GIB / 4 }, 1],
    [{ cores: 4096, memoryBytes: 4096 * GIB }, 1000],
  ])('a machine of %o carries %i', (size, sessions) => {
    expect(sessionsOf(size)).toBe(sessions);
  });
});

describe('shortageFor', () => {
  it('wants room for one more session and for those that have just started', () => {
    const figures = { running: 3, cpu: undefined };
    const availableBytes = 3 * SESSION_COST.memoryBytes;
    expect(shortageFor({ ...figures, memory: { availableBytes, pending: 2 } })).toBeUndefined();
    expect(shortageFor({ ...figures, memory: { availableBytes, pending: 3 } })).toBe('memory');
  });

  it('wants cores for one more session and for those that have just started', () => {
    const figures = { running: 3, memory: plenty };
    expect(shortageFor({ ...figures, cpu: { freeCores: 1.6, pending: 1 } })).toBeUndefined();
    expect(shortageFor({ ...figures, cpu: { freeCores: 1.6, pending: 2 } })).toBe('CPU');
  });

  it('lets the first session in however busy the CPU is', () => {
    expect(shortageFor({ running: 0, memory: plenty, cpu: { freeCores: 0, pending: 0 } })).toBeUndefined();
  });
});

describe('Admission', () => {
  let clock: VirtualClock;
  let machine: FakeMachine;

  beforeEach(() => {
    clock = new VirtualClock();
    machine = new FakeMachine();
  });

  it('counts what spare browsers hold as free, since they give way, but not where a further spare is concerned', () => {
    machine.availableBytes = SESSION_COST.memoryBytes - 1;
    const admission = new Admission({ maxSessions: 4, machine, clock, spares: () => 1 });
    expect(admission.shortage).toBeUndefined();
    expect(admission.carries(1)).toBe(false);
    machine.availableBytes = 2 * SESSION_COST.memoryBytes;
    expect([admission.carries(2), admission.carries(3)]).toEqual([true, false]);
  });

  /** Lets time pass with so many cores busy. */
  async function run(seconds: number, busyCores: number): Promise<void> {
    for (let second = 0; second < seconds; second++) {
      machine.cpuTime = { ...machine.cpuTime, busySeconds: machine.cpuTime.busySeconds + busyCores };
      await clock.advance(1000);
    }
  }

  it('refuses for lack of CPU what the count would let in', async () => {
    const admission = new Admission({ maxSessions: 'auto', machine, clock });
    expect(admission.maxSessions).toBe(10);
    admission.started(a);
    await run(30, 7.5);
    expect(admission.shortage).toBe('CPU');
    await run(10, 6);
    expect(admission.shortage).toBeUndefined();
  });

  it('does not take the launch of a session for its load', async () => {
    const admission = new Admission({ maxSessions: 'auto', machine, clock });
    admission.started(a);
    await run(30, 1);
    admission.started(b);
    await run(9, 8);
    expect(admission.shortage).toBeUndefined();
    await run(20, 8);
    expect(admission.shortage).toBe('CPU');
  });

  it('does not take the launch of a spare browser for load, and measures what is left of the time', async () => {
    const admission = new Admission({ maxSessions: 'auto', machine, clock });
    admission.started(a);
    await run(30, 1);
    admission.setSpareLaunching(true);
    await run(12, 8);
    expect(admission.shortage).toBeUndefined();
    admission.setSpareLaunching(false);
    await run(3, 1);
    // What the launch took before the next look does not count either.
    admission.setSpareLaunching(true);
    await run(1, 8);
    admission.setSpareLaunching(false);
    await run(6, 1);
    expect(admission.shortage).toBeUndefined();
    await run(10, 8);
    expect(admission.shortage).toBe('CPU');
  });

  it('leaves a spare browser where it is if only CPU time is short, but makes no other', async () => {
    const admission = new Admission({ maxSessions: 'auto', machine, clock });
    const room = poolRoom(admission, () => 9);
    admission.started(a);
    await run(30, 7.5);
    expect(room).toMatchObject({ sessionsLeft: 9, hasMuch: false, isShort: false });
    machine.availableBytes = SESSION_COST.memoryBytes - 1;
    expect(room).toMatchObject({ hasMuch: false, isShort: true });
    machine.availableBytes = 2 * SESSION_COST.memoryBytes;
    await run(10, 1);
    expect(room).toMatchObject({ hasMuch: true, isShort: false });
  });

  it('reserves what sessions will take that started since the load was measured', async () => {
    const admission = new Admission({ maxSessions: 'auto', machine, clock });
    admission.started(a);
    await run(30, 6);
    expect(admission.shortage).toBeUndefined();
    admission.started(b);
    expect(admission.shortage).toBeUndefined();
    admission.started(c);
    expect(admission.shortage).toBe('CPU');
    admission.ended(c);
    expect(admission.shortage).toBeUndefined();
  });

  it('leaves the CPU to whoever names a number of sessions', async () => {
    const admission = new Admission({ maxSessions: 20, machine, clock });
    admission.started(a);
    await run(30, 8);
    expect(admission.maxSessions).toBe(20);
    expect(admission.shortage).toBeUndefined();
    machine.availableBytes = 0;
    expect(admission.shortage).toBe('memory');
  });

  it('stops measuring with the last session', async () => {
    const admission = new Admission({ maxSessions: 'auto', machine, clock });
    admission.started(a);
    expect(clock.pendingTimers).toBe(1);
    await run(30, 8);
    admission.ended(a);
    expect(clock.pendingTimers).toBe(0);
    expect(admission.shortage).toBeUndefined();
  });
});
