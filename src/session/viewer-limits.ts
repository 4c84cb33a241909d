import { StreamKitError } from '../base/errors.js';
import { expectation, isPlainObject, refuseUnknownKeys } from '../options/option-checks.js';
import type { ErrorCode } from '../protocol/error-codes.js';
import { VIEWER_BOUNDS, type ViewerBound, type ViewerBounds } from '../protocol/viewer-bounds.js';

/** What one viewer gets at most; undefined: there is no such bound. */
export interface ViewerWishes {
  /** Pixels. */
  readonly maxHeight?: number | undefined;
  readonly maxBitrateBps?: number | undefined;
}

/** Who bounds what one viewer gets: the lower of the two counts. */
export interface ViewerLimits {
  /** Of the viewer itself. */
  readonly wishes: ViewerWishes;
  /** Of the application. */
  readonly bounds: ViewerWishes;
}

export const NO_LIMITS: ViewerLimits = { wishes: {}, bounds: {} };

export function lowestOf({ wishes, bounds }: ViewerLimits): Readonly<Record<ViewerBound, number>> {
  const lower = (key: ViewerBound): number => Math.min(wishes[key] ?? Infinity, bounds[key] ?? Infinity);
  return { maxHeight: lower('maxHeight'), maxBitrateBps: lower('maxBitrateBps') };
}

/** As clients read it. */
export function shownBounds({ maxHeight, maxBitrateBps }: ViewerWishes): ViewerBounds {
  return { maxHeight: maxHeight ?? null, maxBitrateBps: maxBitrateBps ?? null };
}

/**
 * Checks a change, and makes it.
 *
 * @param change - what a client has sent; what it leaves out stays, and null lifts a bound.
 * @param code - of the error for what is no such change.
 * @throws StreamKitError that names the key, also one that is unknown.
 */
export function changedWishes(
  current: ViewerWishes,
  change: unknown,
  code: ErrorCode & ('bad_request' | 'unprocessable'),
): ViewerWishes {
  if (!isPlainObject(change)) throw new StreamKitError(code, expectation('JSON object', 'bounds', change));
  refuseUnknownKeys(change, Object.keys(VIEWER_BOUNDS), { code });
  const changed = (key: ViewerBound): number | undefined => {
    const value = change[key];
    if (value === undefined) return current[key];
    if (value === null) return undefined;
    const { least, most } = VIEWER_BOUNDS[key];
    const isWithin = typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most;
    if (isWithin) return value;
    throw new StreamKitError(code, expectation(`integer between ${least} and ${most}, or null,`, key, value));
  };
  return { maxHeight: changed('maxHeight'), maxBitrateBps: changed('maxBitrateBps') };
}
