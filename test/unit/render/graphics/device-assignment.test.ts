import { describe, expect, it } from 'vitest';

import { DeviceAssignment, encodersOn } from '../../../../src/render/graphics/device-assignment.js';
import type { GraphicsDevice } from '../../../../src/render/graphics/graphics-devices.js';
import { VirtualClock } from '../../../helpers/virtual-clock.js';

const device = (path: string, vendor: GraphicsDevice['vendor'], cudaIndex?: number): GraphicsDevice => ({
  ...{
    path,
    vendor,
    nvidiaNumber: cudaIndex === undefined ? undefined : cudaIndex + 5,
    cudaIndex,
    driver: vendor,
  },
  ...{ pciAddress: undefined, pciId: undefined, refusal: undefined },
});
const AMD = device('/dev/dri/renderD128', 'amd');
const INTEL = device('/dev/dri/renderD129', 'intel');
const NVIDIA = device('/dev/dri/renderD130', 'nvidia', 2);

describe('DeviceAssignment', () => {
  it('gives each session the device with the fewest, and the first of those', () => {
    const assignment = new DeviceAssignment([AMD, INTEL, NVIDIA], new VirtualClock());
    const leases = [1, 2, 3, 4].map(() => assignment.take());
    expect(leases.map((lease) => lease?.device)).toEqual([AMD, INTEL, NVIDIA, AMD]);
    leases[1]?.release();
    leases[1]?.release();
    expect([assignment.take(), assignment.take()].map((lease) => lease?.device)).toEqual([INTEL, INTEL]);
  });

  it('has none to give where there is no device', () => {
    expect(new DeviceAssignment([], new VirtualClock()).take()).toBeUndefined();
  });

  it('prefers others to a device whose driver failed, for five minutes', async () => {
    const clock = new VirtualClock();
    const assignment = new DeviceAssignment([AMD, INTEL], clock);
    const lost = assignment.take();
    lost?.lose();
    lost?.release();
    const next = [assignment.take(), assignment.take()];
    expect(next.map((lease) => lease?.device)).toEqual([INTEL, INTEL]);
    await clock.advance(5 * 60_000);
    expect(assignment.take()?.device).toBe(AMD);
  });

  it('goes on with a device that failed where there is no other', () => {
    const assignment = new DeviceAssignment([AMD], new VirtualClock());
    assignment.take()?.lose();
    expect(assignment.take()?.device).toBe(AMD);
  });

  it('says whether another device is left for a session whose own has failed', async () => {
    const clock = new VirtualClock();
    const assignment = new DeviceAssignment([AMD, INTEL], clock);
    const [onAmd, onIntel] = [assignment.take(), assignment.take()];
    expect(onAmd?.hasOther).toBe(true);
    onIntel?.lose();
    expect([onAmd?.hasOther, onIntel?.hasOther]).toEqual([false, true]);
    onAmd?.lose();
    expect([onAmd?.hasOther, onIntel?.hasOther]).toEqual([false, false]);
    await clock.advance(5 * 60_000);
    expect(onAmd?.hasOther).toBe(true);
  });
});

describe('encodersOn', () => {
  const candidates = ['h264_nvenc', 'h264_vaapi', 'h264_qsv', 'libx264'].map((name) => ({
    name,
    device: undefined,
  }));
  const on = (one: GraphicsDevice, ...others: GraphicsDevice[]): (string | undefined)[][] =>
    encodersOn(one, others, candidates).map(({ name, device: named }) => [name, named]);

  it('encodes on the device that draws, then on others, and in software after them', () => {
    expect(on(NVIDIA)).toEqual([
      ['h264_nvenc', '2'],
      ['h264_vaapi', undefined],
      ['h264_qsv', undefined],
      ['libx264', undefined],
    ]);
    expect(on(AMD)).toEqual([
      ['h264_vaapi', AMD.path],
      ['h264_nvenc', undefined],
      ['h264_qsv', undefined],
      ['libx264', undefined],
    ]);
    expect(on(INTEL)).toEqual([
      ['h264_vaapi', INTEL.path],
      ['h264_qsv', INTEL.path],
      ['h264_nvenc', undefined],
      ['libx264', undefined],
    ]);
    expect(on(device('/dev/nvidia0', 'nvidia', 0))[0]).toEqual(['h264_nvenc', '0']);
  });

  it('goes on to each of the other devices', () => {
    const second = device('/dev/nvidia1', 'nvidia', 3);
    expect(on(NVIDIA, NVIDIA, AMD, second)).toEqual([
      ['h264_nvenc', '2'],
      ['h264_nvenc', '3'],
      ['h264_vaapi', AMD.path],
      ['h264_qsv', undefined],
      ['libx264', undefined],
    ]);
  });

  it('keeps an encoder that is named, before the one in software that takes over', () => {
    const named = ['h264_nvenc', 'libx264'].map((name) => ({ name, device: undefined }));
    expect(encodersOn(AMD, [], named)).toEqual(named);
  });

  it('leaves a device that is named as it is', () => {
    const named = [{ name: 'h264_nvenc', device: '1' }];
    expect(encodersOn(AMD, [], named)).toEqual(named);
  });
});
