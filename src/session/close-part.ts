import type { Clock } from '../base/clock.js';
import { asError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { settlesWithin } from '../base/deadline.js';

/** What closing may take, ms: of one session less than 5 s together, unless it stores a profile. What is late goes on by itself. */
const BUDGET_MS = {
  viewers: 800,
  /** At the same time as the viewers. */
  publications: 800,
  media: 800,
  render: 3200,
  terminal: 3200,
  replay: 800,
  files: 800,
  /** Of a profile. */
  lock: 800,
  /** Of those that store one. */
  profile: 45_000,
} as const;

/** Waits for one part of a session. What fails or is late must not keep the rest from being closed. */
export async function closePart(
  part: keyof typeof BUDGET_MS,
  closing: Promise<unknown> | undefined,
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
): Promise<void> {
  if (closing === undefined) return;
  const late = closing.catch((thrown: unknown) => {
    logger.warn({ part, err: asError(thrown) }, 'a part did not close cleanly');
  });
  const inTime = await settlesWithin(clock, BUDGET_MS[part], late);
  if (!inTime) logger.warn({ part, limitMs: BUDGET_MS[part] }, 'closing takes too long');
}
