import { beforeEach, describe, expect, it } from 'vitest';

import { CpuRoom } from '../../../src/session/cpu-room.js';
import { FakeMachine } from '../../helpers/fake-machine.js';
import { VirtualClock } from '../../helpers/virtual-clock.js';

let machine: FakeMachine;
let clock: VirtualClock;
let room: CpuRoom;

/** The eight cores of the machine are busy for so many core seconds per second, for two seconds. */
async function load(busyCores: number): Promise<void> {
  machine.cpuTime = { ...machine.cpuTime, busySeconds: machine.cpuTime.busySeconds + 2 * busyCores };
  await clock.advance(2000);
}

beforeEach(() => {
  machine = new FakeMachine();
  clock = new VirtualClock();
  room = new CpuRoom(machine, clock);
});

describe('the room for further encodings', () => {
  it('is nothing more while the load is not known', () => {
    expect(room.coresFor(0.5)).toBe(0.5);
    expect(room.coresFor(0.5)).toBe(0.5);
  });

  it('is what is idle but for a reserve', async () => {
    room.coresFor(0.5);
    await load(7);
    expect(room.coresFor(0.5)).toBeCloseTo(0.5 + 1 - 0.3);
    await load(7.8);
    expect(room.coresFor(0.5)).toBe(0.5);
  });

  it('is less than what is used when the machine is short of CPU', async () => {
    room.coresFor(0.5);
    await load(8);
    expect(room.coresFor(0.5)).toBeCloseTo(0.4);
  });

  it('counts what others have taken since it was measured', async () => {
    room.coresFor(0.5);
    await load(7);
    expect(room.coresFor(0.5)).toBeCloseTo(1.2);
    room.take(0.6);
    expect(room.coresFor(0.5)).toBeCloseTo(0.6);
    room.take(-0.6);
    expect(room.coresFor(0.5)).toBeCloseTo(1.2);
  });

  it('knows nothing from long ago', async () => {
    room.coresFor(0.5);
    await load(1);
    expect(room.coresFor(0.5)).toBeGreaterThan(0.5);
    await clock.advance(60_000);
    expect(room.coresFor(0.5)).toBe(0.5);
  });
});
