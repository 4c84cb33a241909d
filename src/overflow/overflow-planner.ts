import type { ResolvedOverflowBounds } from '../options/overflow-options.js';

/** What one session and the server it is on carry now. */
export interface OverflowLoad {
  /** Viewers of the session who get their media from here. */
  readonly direct: number;
  /** Viewers of the session who get it from the media server. */
  readonly elsewhere: number;
  /** How many more viewers the session may serve from here, whatever the bounds of the overflow. */
  readonly seats: number;
  /** What the server sends to the viewers of all sessions, bits/s. */
  readonly egressBps: number;
  /** What another viewer of this session would add, bits/s. */
  readonly viewerBps: number;
}

/** One viewer whose media comes from the media server. */
export interface ElsewhereViewer {
  /** It plays with input, which has to come here. */
  readonly isPlaying: boolean;
}

export interface OverflowSituation<Viewer> extends OverflowLoad {
  /** Those that could be served from here now, in the order in which they came. */
  readonly movable: readonly Viewer[];
  /** For how long the crowd has been small enough to be served from here, ms. */
  readonly calmMs: number;
  /** The media server has been without the session for so long that nothing is to be expected of it. */
  readonly isLost: boolean;
}

/** Share of a bound below which the crowd counts as gone. */
const LOW_SHARE = 0.8;
/** For how long it must have been gone before anybody moves, ms. */
export const CALM_MS = 5000;
/** Most viewers of a session that move in one second: each costs a join, and may cost a keyframe. */
export const MOVES_PER_SECOND = 5;

/** Whether a newcomer gets its media from elsewhere: a bound is reached, or there is no seat left. */
export function isFull({ direct, seats, egressBps }: OverflowLoad, when: ResolvedOverflowBounds): boolean {
  return seats <= 0 || direct >= (when.viewers ?? Infinity) || egressBps >= (when.egressBps ?? Infinity);
}

/** Whether all viewers could be served from here, with room to spare so that the next few do not overflow again. */
export function isCalm(load: OverflowLoad, when: ResolvedOverflowBounds): boolean {
  const { direct, elsewhere, seats, egressBps, viewerBps } = load;
  const { viewers = Infinity, egressBps: mostBps = Infinity } = when;
  const most = Math.min(viewers, direct + seats);
  return (
    elsewhere <= seats &&
    direct + elsewhere <= Math.max(1, Math.floor(most * LOW_SHARE)) &&
    egressBps + elsewhere * viewerBps <= mostBps * LOW_SHARE
  );
}

/**
 * Who is to be served from here from now on. To be asked once per second.
 *
 * @returns those who play first, as far as there are seats; then, if the crowd is gone or the media server is, those who came first.
 */
export function planReturns<Viewer extends ElsewhereViewer>({
  movable,
  seats,
  calmMs,
  isLost,
}: OverflowSituation<Viewer>): Viewer[] {
  const playing = movable.filter(({ isPlaying }) => isPlaying);
  const others = isLost || calmMs >= CALM_MS ? movable.filter(({ isPlaying }) => !isPlaying) : [];
  return [...playing, ...others].slice(0, Math.max(0, Math.min(seats, MOVES_PER_SECOND)));
}
