const REFERENCE_PIXEL_RATE = 1280 * 720 * 30;
const REFERENCE_BITRATE_BPS = 4_000_000;
const LEAST_BPS = 300_000;
const MOST_BPS = 25_000_000;

/**
 * Bits a second that moving pages need to look clean: 4 Mbit/s at 720p30, about 7 Mbit/s at 1080p30. It grows
 * slower than the number of pixels, because larger and more frequent pictures hold less that is new in each.
 *
 * @param pixelRate - width x height x pictures a second.
 */
export function defaultBitrateBps(pixelRate: number): number {
  const bitrateBps = REFERENCE_BITRATE_BPS * (pixelRate / REFERENCE_PIXEL_RATE) ** 0.75;
  return Math.round(Math.min(MOST_BPS, Math.max(LEAST_BPS, bitrateBps)));
}
