import { expect, it } from 'vitest';

import { markCount, markDots, markPattern } from '../../../src/demo/page/input-mark.js';

/** As a picture shows dots: dimmed, and not quite alike. */
function lightsOf(count: number, lit: number, unlit: number): number[] {
  return markPattern(count).map((isLit, index) => (isLit ? lit : unlit) + ((index * 7) % 5));
}

it('a count is read as it was drawn, however dim the picture', () => {
  for (let count = 0; count < 40; count++) {
    expect(markCount(lightsOf(count, 230, 20))).toBe(count % 16);
    expect(markCount(lightsOf(count, 120, 60))).toBe(count % 16);
  }
});

it('a picture without a mark has no count', () => {
  expect(markCount(lightsOf(5, 70, 60))).toBeUndefined();
  expect(markCount([])).toBeUndefined();
  expect(markCount([255, 0, 255])).toBeUndefined();
});

it('the dots keep their place as the picture grows', () => {
  const small = markDots(640, 360);
  const large = markDots(1280, 720);
  expect(small).toHaveLength(markPattern(0).length);
  large.forEach(({ x, y, size }, index) => {
    expect([x / 1280, y / 720]).toEqual([(small[index]?.x ?? 0) / 640, (small[index]?.y ?? 0) / 360]);
    expect(size).toBe(2 * (small[index]?.size ?? 0));
  });
});
