import { describe, expect, it } from 'vitest';

import { keyframeParameters, sameParameters } from '../../../src/recording/keyframe-parameters.js';

/** Parameter sets as libx264 writes them; the sizes are those it was given. */
const SETS = {
  '320x180': '6742c00dda05067e7c0440000003004000000f23c50aa8',
  '160x90': '6742c00bda0a37e4c044000003000400000300f23c50aa80',
  '640x360': '6742c01eda0280bfe5c044000003000400000300f23c58ba80',
  '1920x1080': '6742c028da01e0089f970110000003001000000303c8f1832a',
  '300x200': '6742c00dda04c6fb970110000003001000000303c8f142aa',
} as const;
/** The same by libx265, behind its video parameter set. */
const H265_SETS = {
  '640x360': '42010101600000030090000003000003003fa005020171f2e5ba4a4c2f016808000003000800000300f040',
  '300x200': '42010101600000030090000003000003003ca009880d1dcb96e92930bc05a020000003002000000303c1',
  '1920x1080': '420101016000000300900000030000030078a003c0801107cb96e92930bc05a020000003002000000303c1',
} as const;
const H265_VPS = '0000000140010c01ffff01600000030090000003000003003fba0240';
const H265_PPS = '000000014401c071831200';
const H265_IDR = '0000012801adc60b55c8';
const PPS = '0000000168ce0fc8';
const IDR = '0000000165888400';

function keyframe(sps: string): Uint8Array {
  return Buffer.from(`00000001${sps}${PPS}${IDR}`, 'hex');
}

describe('parameters of a keyframe', () => {
  it.each(Object.entries(SETS))('tell %s', (size, sps) => {
    const parameters = keyframeParameters('h264', keyframe(sps.replace(/00$/, '')));
    expect(`${parameters?.width}x${parameters?.height}`).toBe(size);
    expect(parameters?.extradata.length).toBeGreaterThan(20);
  });

  it.each(Object.entries(H265_SETS))('tell %s of H.265', (size, sps) => {
    const sets = `${H265_VPS}00000001${sps}${H265_PPS}`.replace(/00$/, '');
    const parameters = keyframeParameters('h265', Buffer.from(sets + H265_IDR, 'hex'));
    expect(`${parameters?.width}x${parameters?.height}`).toBe(size);
    expect(parameters?.extradata.toString('hex')).toBe(sets);
  });

  it('of H.265 are not found where a set is missing or cut off', () => {
    const sps = `00000001${H265_SETS['640x360']}`;
    const { length } = sps;
    for (const sets of [
      [H265_VPS, sps],
      [H265_VPS, H265_PPS],
      [sps, H265_PPS],
      [H265_VPS, sps.slice(0, length / 2), H265_PPS],
      [],
    ]) {
      expect(keyframeParameters('h265', Buffer.from(sets.join('') + H265_IDR, 'hex'))).toBeUndefined();
    }
  });

  it('tell the size of VP8', () => {
    const frame = Buffer.from('1000009d012a8002680100', 'hex');
    expect(keyframeParameters('vp8', frame)).toMatchObject({ width: 640, height: 360 });
    expect(keyframeParameters('vp8', Buffer.from('1100009d012a8002680100', 'hex'))).toBeUndefined();
  });

  it('tell the size of VP9', () => {
    // The first bytes of a keyframe of 640x360 by libvpx, and the same as a picture that depends on others.
    const frame = '824983424027f01676';
    expect(keyframeParameters('vp9', Buffer.from(frame, 'hex'))).toMatchObject({ width: 640, height: 360 });
    expect(keyframeParameters('vp9', Buffer.from(frame.replace('82', '86'), 'hex'))).toBeUndefined();
    expect(keyframeParameters('vp9', Buffer.from(frame.replace('4983', '4984'), 'hex'))).toBeUndefined();
    expect(keyframeParameters('vp9', Buffer.from(frame, 'hex').subarray(0, 8))).toBeUndefined();
  });

  it('tell the size and the sequence header of AV1', () => {
    // The first units of a keyframe of 640x360 by SVT-AV1: delimiter, sequence header.
    const unit = Buffer.from('12000a0e0000000cc4ff6712be4408080410', 'hex');
    expect(keyframeParameters('av1', unit)).toEqual({
      ...{ codec: 'av1', width: 640, height: 360 },
      extradata: unit.subarray(2),
    });
    expect(keyframeParameters('av1', unit.subarray(0, 2))).toBeUndefined();
    expect(keyframeParameters('av1', unit.subarray(0, 17))).toBeUndefined();
    expect(keyframeParameters('av1', Buffer.from('0a0100', 'hex'))).toBeUndefined();
  });

  it('differ when the encoder does', () => {
    const [one, other] = [SETS['320x180'], SETS['640x360']].map((sps) =>
      keyframeParameters('h264', keyframe(sps)),
    );
    if (one === undefined || other === undefined) throw new Error('not read');
    expect(sameParameters(one, one)).toBe(true);
    expect(sameParameters(one, other)).toBe(false);
    expect(sameParameters(one, { ...other, width: one.width, height: one.height })).toBe(false);
  });

  it.each([
    ['nothing', ''],
    ['no parameter sets', IDR],
    ['no picture parameter set', `00000001${SETS['320x180']}${IDR}`],
    ['a set that is cut off', `000000016742c0${PPS}${IDR}`],
  ])('are not found in %s', (_, hex) => {
    expect(keyframeParameters('h264', Buffer.from(hex, 'hex'))).toBeUndefined();
  });
});
