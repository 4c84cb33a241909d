/** What bounds can be, pixels and bits/s. */
export const VIEWER_BOUNDS = {
  maxHeight: { least: 1, most: 4320 },
  maxBitrateBps: { least: 1, most: 999_999_999 },
} as const;

export type ViewerBound = keyof typeof VIEWER_BOUNDS;

/** A change of what one viewer gets at most. What is left out stays; null: no bound any more. */
export interface ViewerBoundsChange {
  /** Most lines of the picture, pixels, 1–4320. */
  readonly maxHeight?: number | null | undefined;
  /** Most bits of pictures per second, 1–999999999. */
  readonly maxBitrateBps?: number | null | undefined;
}

/** What one viewer gets at most; null: there is no such bound. */
export type ViewerBounds = Readonly<Record<ViewerBound, number | null>>;
