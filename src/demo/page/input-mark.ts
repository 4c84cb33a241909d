/**
 * A row of dots in the picture that tells how many presses have reached the page. The scene draws it, the viewer's page
 * reads it: the time from a press to the decoded picture in which the dots change is the latency that a player feels.
 */

/** The count is shown modulo 16, the highest bit first, between a dot that is always lit and one that never is. */
const COUNT_BITS = 4;
const DOTS = COUNT_BITS + 2;
/** A dot and the way to the next, in the units of {@link markUnit}. */
const DOT_SIZE = 14;
const DOT_PITCH = 18;
/** Of the middle of the dots over the lower edge of the picture. */
const HEIGHT = 56;
/** Of the difference between lit and unlit below which a picture is not read: half of what is drawn arrives dimmed. */
const MIN_CONTRAST = 40;

/** One dot, pixels of the picture. */
export interface MarkDot {
  readonly x: number;
  readonly y: number;
  readonly size: number;
}

/** Pixels for each unit in which the scene's display is laid out: it grows with the picture. */
export function markUnit(width: number, height: number): number {
  return Math.min(height / 720, width / 900);
}

/** Where the dots are in a picture of this size: lit, unlit, and those of the count. */
export function markDots(width: number, height: number): readonly MarkDot[] {
  const unit = markUnit(width, height);
  const left = width / 2 - ((DOTS - 1) / 2) * DOT_PITCH * unit;
  return Array.from({ length: DOTS }, (_, index) => ({
    x: left + index * DOT_PITCH * unit,
    y: height - HEIGHT * unit,
    size: DOT_SIZE * unit,
  }));
}

/** Which of the dots are lit. */
export function markPattern(count: number): readonly boolean[] {
  const bits = Array.from({ length: COUNT_BITS }, (_, bit) => ((count >> (COUNT_BITS - 1 - bit)) & 1) === 1);
  return [true, false, ...bits];
}

/** @param lights - how bright each dot is, 0–255. @returns the count modulo 16; undefined where there is no mark. */
export function markCount(lights: readonly number[]): number | undefined {
  const [lit = 0, unlit = 0, ...bits] = lights;
  if (bits.length !== COUNT_BITS || lit - unlit < MIN_CONTRAST) return undefined;
  const threshold = (lit + unlit) / 2;
  return bits.reduce((count, light) => count * 2 + (light > threshold ? 1 : 0), 0);
}
