import { expect } from 'vitest';

import { until } from './patience.js';
import type { ViewerTab } from './viewer-browser.js';

/** What the fixture shows as `mode=bars`, from left to right. */
const BARS = [
  [255, 255, 255],
  [255, 255, 0],
  [0, 255, 255],
  [0, 255, 0],
  [255, 0, 255],
  [255, 0, 0],
  [0, 0, 255],
  [128, 128, 128],
] as const;

/** Resolves when a viewer sees the bars in their colours. */
export async function expectBars(viewer: ViewerTab): Promise<void> {
  // A still page is refined for a while.
  await until(async () => {
    expectColours(await viewer.read<number[][]>('readBars(8)'));
  }, 50);
}

/** @param bars - red, green and blue of each from left to right. */
export function expectColours(bars: readonly (readonly number[])[]): void {
  expect(bars).toHaveLength(BARS.length);
  const errors = bars.flatMap((bar, index) =>
    bar.map((value, channel) => Math.abs(value - (BARS[index]?.[channel] ?? Infinity))),
  );
  expect(Math.max(...errors), JSON.stringify(bars)).toBeLessThanOrEqual(6);
}
