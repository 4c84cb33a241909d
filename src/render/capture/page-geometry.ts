import type { Protocol } from 'puppeteer';

export interface PageSize {
  readonly width: number;
  readonly height: number;
}

/** How a page is laid out so that a picture of the asked size can be cut from what the browser captures. */
export interface PageGeometry {
  /** Viewport of the page, CSS pixels, integers: what the browser is told to emulate. */
  readonly viewport: PageSize;
  /** Part of the viewport that the picture shows, from its top left corner, CSS pixels; it may be fractional. */
  readonly shown: PageSize;
  /** Size to ask the browser's capturer for, pixels: at least that of the picture. */
  readonly captured: PageSize;
}

/** Error of the 32-bit float that Chromium holds the factor in, times the largest size, pixels. */
const TOLERANCE_PX = 0.01;
/** CSS pixels that may be added so that the tab has an even number of pixels. */
const ADDED_MAX_PX = 6;
/** A tab of an odd size is scaled to an even one with a black edge, which this keeps out of the picture. */
const EDGE_PX = 4;

/**
 * Finds the smallest viewport of whole CSS pixels that covers the picture. If the factor does not divide the size, the
 * tab is up to a CSS pixel larger than the picture, and the surplus at the right and the bottom is cut off.
 *
 * @param picture - pixels, even.
 */
export function pageGeometry(picture: PageSize, deviceScaleFactor: number): PageGeometry {
  const { width, height } = picture;
  const viewport = {
    width: covering(width, deviceScaleFactor),
    height: covering(height, deviceScaleFactor),
  };
  const shown = { width: width / deviceScaleFactor, height: height / deviceScaleFactor };
  const captured = {
    width: Math.ceil(pixelsOf(viewport.width, deviceScaleFactor) / 2) * 2,
    height: Math.ceil(pixelsOf(viewport.height, deviceScaleFactor) / 2) * 2,
  };
  return { viewport, shown, captured };
}

/** What `Emulation.setDeviceMetricsOverride` is told for a picture of this size, pixels. */
export function deviceMetrics(
  picture: PageSize,
  deviceScaleFactor: number,
): Protocol.Emulation.SetDeviceMetricsOverrideRequest {
  const { width, height } = pageGeometry(picture, deviceScaleFactor).viewport;
  return {
    width,
    height,
    screenWidth: width,
    screenHeight: height,
    deviceScaleFactor,
    mobile: false,
    screenOrientation: { type: width < height ? 'portraitPrimary' : 'landscapePrimary', angle: 0 },
  };
}

/** Pixels of a tab, as Chromium counts them. */
function pixelsOf(size: number, deviceScaleFactor: number): number {
  return Math.ceil(size * deviceScaleFactor - TOLERANCE_PX);
}

/** Smallest number of CSS pixels that makes an even number of pixels, and no fewer than these. */
function covering(pixels: number, deviceScaleFactor: number): number {
  const least = Math.floor(pixels / deviceScaleFactor);
  for (let size = Math.max(1, least); size <= least + ADDED_MAX_PX; size++) {
    const physical = pixelsOf(size, deviceScaleFactor);
    if (physical >= pixels && physical % 2 === 0) return size;
  }
  return Math.ceil((pixels + EDGE_PX) / deviceScaleFactor);
}
