import { vi } from 'vitest';

/**
 * How long a test waits for what comes at once on a machine with nothing else to do, ms. A slow one that stands still for
 * seconds has it within this; what a defect keeps away does not come at all.
 */
export const PATIENCE_MS = 30_000;

/** Looks until `check` throws no more, and gives what it gives. */
export function until<T>(check: () => T | Promise<T>, interval = 10): Promise<T> {
  return vi.waitFor(check, { timeout: PATIENCE_MS, interval });
}
