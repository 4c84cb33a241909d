import { expect, it } from 'vitest';

import { pageGeometry } from '../../../../src/render/capture/page-geometry.js';
import { seededRandom } from '../../../helpers/seeded-random.js';

const random = seededRandom(14);
const between = (least: number, most: number): number => least + random() * (most - least);
const even = (least: number, most: number): number => 2 * Math.round(between(least, most) / 2);

const NAMED = [
  [1280, 720, 3],
  [1366, 768, 1.5],
  [1280, 720, 1.1],
  [1080, 1920, 2.625],
  [400, 240, 1.5],
] as const;

it('covers the picture with whole CSS pixels for every even size and every factor', () => {
  const pairs = Array.from(
    { length: 200 },
    () => [even(64, 3840), even(64, 2160), Math.round(between(0.5, 4) * 1000) / 1000] as const,
  );
  for (const [width, height, factor] of [...NAMED, ...pairs]) {
    const { viewport, shown, captured } = pageGeometry({ width, height }, factor);
    for (const [side, pixels] of [
      ['width', width],
      ['height', height],
    ] as const) {
      const what = `${side} of ${width}x${height} at ${factor}`;
      expect(Number.isInteger(viewport[side]), what).toBe(true);
      expect(captured[side] % 2, what).toBe(0);
      expect(captured[side], what).toBeGreaterThanOrEqual(pixels);
      // What is cut off is a few CSS pixels at most.
      expect(captured[side], what).toBeLessThan(pixels + 7 * factor + 2);
      expect(shown[side] * factor, what).toBeCloseTo(pixels, 6);
    }
  }
});

it('adds nothing where the factor divides the size', () => {
  const exact = { viewport: { width: 640, height: 360 }, shown: { width: 640, height: 360 } };
  expect(pageGeometry({ width: 1280, height: 720 }, 2)).toEqual({
    ...exact,
    captured: { width: 1280, height: 720 },
  });
});
