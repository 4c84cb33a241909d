import { beforeEach, describe, expect, it } from 'vitest';

import { silentLogger } from '../../../../src/base/logger.js';
import type { ProbedCandidate } from '../../../../src/render/encode/encoder-probe.js';
import { type EncoderSeat, EncoderSeats } from '../../../../src/render/encode/encoder-seats.js';
import { encodersOn } from '../../../../src/render/graphics/device-assignment.js';
import type { GraphicsDevice } from '../../../../src/render/graphics/graphics-devices.js';
import { settle, VirtualClock } from '../../../helpers/virtual-clock.js';

const nvenc = (device?: string, codec: ProbedCandidate['codec'] = 'h264'): ProbedCandidate => ({
  ...{ name: `${codec}_nvenc`, codec, device },
});
const X264: ProbedCandidate = { name: 'libx264', codec: 'h264', device: undefined };
const RETRY_MS = 10 * 60_000;

let clock: VirtualClock;
let seats: EncoderSeats;
/** Encodings that the driver takes at once, of all devices together. */
let capacity: number;
/** Those that it has. */
let opened: number;
let probes: number;

beforeEach(() => {
  clock = new VirtualClock();
  [capacity, opened, probes] = [Infinity, 0, 0];
  seats = new EncoderSeats({
    clock,
    logger: silentLogger,
    probe: ({ name }) => {
      probes += 1;
      return Promise.resolve(
        opened < capacity ? { name, works: true } : { name, works: false, reason: 'out of memory (10)' },
      );
    },
  });
});

/** What a session process does with a seat: it takes the first candidate that opens. */
async function encode(...candidates: ProbedCandidate[]): Promise<{ seat: EncoderSeat; end(): void }> {
  const seat = seats.take(candidates);
  const isHardware = (index: number): boolean => seat.candidates[index] !== X264;
  const index = opened < capacity ? 0 : seat.candidates.indexOf(X264);
  if (isHardware(index)) opened += 1;
  if (index > 0) seat.moveTo(index, true);
  await settle();
  seat.moveTo(index, false);
  return {
    seat,
    end: () => {
      if (isHardware(index)) opened -= 1;
      seat.release();
      seat.release();
    },
  };
}

const names = (seat: EncoderSeat): string[] => seat.candidates.map(({ name }) => name);

describe('EncoderSeats', () => {
  it('places no more on a device than it took, says why, and goes on when one is freed', async () => {
    capacity = 2;
    const first = await encode(nvenc(), X264);
    await encode(nvenc(), X264);
    expect(first.seat.reason).toBeUndefined();
    const refused = await encode(nvenc(), X264);
    expect(refused.seat.reason).toBe('h264_nvenc failed and was replaced');
    expect(seats.encodings).toEqual([{ device: 'nvenc', running: 2, limit: 2, passedOver: 0 }]);

    const passedOver = seats.take([nvenc(), X264]);
    expect(names(passedOver)).toEqual(['libx264']);
    expect(passedOver.reason).toBe('h264_nvenc is not used: its device takes no more than 2 at once');
    expect(probes).toBe(1);
    expect(seats.encodings).toMatchObject([{ running: 2, passedOver: 1 }]);

    first.end();
    expect(seats.encodings).toMatchObject([{ running: 1, limit: 2 }]);
    const next = await encode(nvenc(), X264);
    expect([names(next.seat)[0], next.seat.reason]).toEqual(['h264_nvenc', undefined]);
    expect(probes).toBe(1);
  });

  it('counts all codecs of a kind together, and each device for itself', async () => {
    capacity = 1;
    await encode(nvenc('0', 'av1'), X264);
    await encode(nvenc('0'), X264);
    const next = seats.take([nvenc('0'), nvenc('1'), X264]);
    expect(next.candidates.map(({ name, device }) => [name, device])).toEqual([
      ['h264_nvenc', '1'],
      ['libx264', undefined],
    ]);
    expect(next.reason).toContain('no more than 1');
    expect(seats.encodings).toMatchObject([
      { device: 'nvenc:0', running: 1, limit: 1, passedOver: 1 },
      { device: 'nvenc:1', running: 1, limit: undefined },
    ]);
  });

  it('tries one more after ten minutes, and forgets the limit if that comes through', async () => {
    capacity = 1;
    await encode(nvenc(), X264);
    await encode(nvenc(), X264);
    await clock.advance(RETRY_MS - 1);
    expect(names(seats.take([nvenc(), X264]))).toEqual(['libx264']);
    await clock.advance(1);
    const still = await encode(nvenc(), X264);
    expect(names(still.seat)).toEqual(['h264_nvenc', 'libx264']);
    expect(seats.encodings).toMatchObject([{ running: 1, limit: 1 }]);
    expect(probes).toBe(2);

    await clock.advance(RETRY_MS);
    capacity = Infinity;
    const trying = seats.take([nvenc(), X264]);
    // The others wait for what comes of it.
    expect(names(seats.take([nvenc(), X264]))).toEqual(['libx264']);
    trying.moveTo(0, false);
    expect(seats.encodings).toMatchObject([{ running: 2, limit: undefined }]);
    expect(names(seats.take([nvenc(), X264]))[0]).toBe('h264_nvenc');
  });

  it('leaves the retry of a device to the session that tries it', async () => {
    capacity = 0;
    await encode(nvenc('1'), X264);
    await clock.advance(RETRY_MS);
    capacity = Infinity;
    // Its place is on the first device, which has room.
    const elsewhere = seats.take([nvenc('0'), nvenc('1'), X264]);
    expect(elsewhere.candidates).toHaveLength(3);
    elsewhere.moveTo(0, false);
    expect(names(seats.take([nvenc('1'), X264]))).toEqual(['h264_nvenc', 'libx264']);
    expect(names(seats.take([nvenc('1'), X264]))).toEqual(['libx264']);
  });

  it('asks again the next time when it could not be found out whether a device takes one more', async () => {
    let asked = 0;
    seats = new EncoderSeats({
      ...{ clock, logger: silentLogger },
      probe: () => {
        asked += 1;
        return Promise.reject(new Error('no process can be started'));
      },
    });
    for (const times of [1, 2]) {
      seats.take([nvenc(), X264]).moveTo(1, true);
      await settle();
      expect(asked).toBe(times);
    }
    expect(seats.encodings).toMatchObject([{ running: 0, limit: undefined }]);
  });

  it('learns nothing of an encoder that fails where the device would take another', async () => {
    const seat = seats.take([nvenc(), X264]);
    seat.moveTo(1, true);
    await settle();
    expect([probes, seats.encodings]).toEqual([
      1,
      [{ device: 'nvenc', running: 0, limit: undefined, passedOver: 0 }],
    ]);
  });

  it('ends with no encodings on a device whose encoders have all failed', async () => {
    const running = await Promise.all([1, 2, 3].map(() => encode(nvenc(), X264)));
    capacity = 0;
    for (const { seat } of running) seat.moveTo(1, true);
    await settle();
    expect(seats.encodings).toMatchObject([{ running: 0, limit: 0 }]);
    // Several fail during one probe: another one follows, and no more.
    expect(probes).toBe(2);
    expect(seats.take([nvenc(), X264]).reason).toBe(
      'h264_nvenc is not used: its device takes no encodings at present',
    );
  });

  it('keeps a device for later that had no session left at the start', async () => {
    seats.refuse(nvenc(), 'OpenEncodeSessionEx failed: out of memory (10)');
    expect(names(seats.take([nvenc(), X264]))).toEqual(['libx264']);
    await clock.advance(RETRY_MS);
    expect(names((await encode(nvenc(), X264)).seat)[0]).toBe('h264_nvenc');
  });

  it('keeps each device of a kind that had no session left at the start for sessions on a GPU of their own', async () => {
    const gpu: GraphicsDevice = {
      ...{
        path: '/dev/nvidia0',
        nvidiaNumber: 0,
        cudaIndex: 0,
        vendor: 'nvidia',
        driver: 'nvidia 550.54.14',
      },
      ...{ pciAddress: undefined, pciId: undefined, refusal: undefined },
    };
    const candidates = encodersOn(gpu, [gpu], [nvenc(), X264]);
    seats.refuse(nvenc(), 'OpenEncodeSessionEx failed: out of memory (10)');
    expect(seats.encodings).toEqual([]);
    expect(names(seats.take(candidates))).toEqual(['libx264']);
    expect(seats.encodings).toEqual([{ device: 'nvenc:0', running: 0, limit: 0, passedOver: 1 }]);
    await clock.advance(RETRY_MS);
    expect(names((await encode(...candidates)).seat)[0]).toBe('h264_nvenc');
    expect(seats.encodings).toMatchObject([{ running: 1, limit: undefined }]);
  });

  it('ignores a candidate that is none, and what comes after the end', () => {
    const seat = seats.take([nvenc(), X264]);
    for (const index of [-1, 2, 0.5, NaN]) seat.moveTo(index, true);
    expect([probes, seats.encodings]).toMatchObject([0, [{ running: 1 }]]);
    seat.release();
    seat.moveTo(1, true);
    seat.moveTo(0, false);
    expect([probes, seats.encodings]).toMatchObject([0, [{ running: 0 }]]);
  });
});
