import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/logger.js';
import type { ResolvedOverflowOptions } from '../options/overflow-options.js';
import { EgressMeter } from './egress-meter.js';
import { type OverflowHost, SessionOverflow } from './session-overflow.js';

export interface OverflowRoomParts {
  /** Media bytes that were ever sent to viewers. */
  readonly readSentBytes: () => number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What sends further viewers of sessions to a media server. */
export interface Overflow {
  open(host: OverflowHost): SessionOverflow;
}

/** Undefined: nobody is sent anywhere. */
export function openOverflow(
  options: ResolvedOverflowOptions | undefined,
  { readSentBytes, clock, logger }: OverflowRoomParts,
): Overflow | undefined {
  if (options === undefined) return undefined;
  const egress = new EgressMeter(readSentBytes, clock);
  return { open: (host) => new SessionOverflow({ options, egress, clock, logger }, host) };
}
