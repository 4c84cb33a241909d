import type { Caller } from '../session/caller.js';

/** What the limits of a caller bound. */
export type SeatKind = 'sessions' | 'viewers';

/** What a caller has at other nodes; what it has at this one is checked apart. */
export interface CallerSeats {
  /**
   * Holds a place for one more session or viewer.
   *
   * @returns what ends the hold: from then on the session or viewer itself counts, or there is none.
   * @throws StreamKitError `at_capacity` if the caller has as many as its limits allow, at all nodes together.
   */
  hold(kind: SeatKind, caller: Caller): Promise<() => void>;
}

/** Where there are no other nodes. */
export const LONE_SEATS: CallerSeats = { hold: () => Promise.resolve(() => undefined) };

/** What {@link CallerSeats} refuses with. */
export const SEAT_REFUSALS = {
  sessions: 'This caller has as many sessions as it may',
  viewers: 'This caller has as many viewers as it may',
} as const;
