import type { ConsumerStats } from '../fanout/media-plane.js';
import { Counters } from './counters.js';

/** What is counted of one viewer's media. */
const SENT = [
  ...(['packetsSent', 'bytesSent', 'packetsRetransmitted'] as const),
  ...(['repairPacketsSent', 'repairBytesSent', 'framesDropped'] as const),
] as const;
const ASKED = ['nacksReceived', 'plisReceived', 'firsReceived'] as const;

type Counted = (typeof SENT)[number] | (typeof ASKED)[number];
export type ViewerCounter = `${'video' | 'audio'}.${Counted}` | 'rtcpDropped';
/** What is counted of the pictures of one session. */
export type PictureCounter = 'framesRead' | 'framesDropped';

/** What is counted of sessions as a whole. */
export type UsageCounter = 'cpuSeconds' | 'viewerSeconds';

/** What is counted of all sessions of a router. */
export interface SessionCounters {
  /** One entry for each viewer whose media is attached. */
  readonly viewers: Counters<ViewerCounter>;
  readonly pictures: Counters<PictureCounter>;
  /** One entry for each page session. */
  readonly usage: Counters<UsageCounter>;
}

const COUNTED: readonly Counted[] = [...SENT, ...ASKED];
const NONE = Object.fromEntries(COUNTED.map((name) => [name, 0])) as Record<Counted, number>;

const VIEWER_COUNTERS: readonly ViewerCounter[] = [
  ...(['video', 'audio'] as const).flatMap((kind) => COUNTED.map((name): ViewerCounter => `${kind}.${name}`)),
  'rtcpDropped',
];

export function newSessionCounters(): SessionCounters {
  return {
    viewers: new Counters(VIEWER_COUNTERS),
    pictures: new Counters<PictureCounter>(['framesRead', 'framesDropped']),
    usage: new Counters<UsageCounter>(['cpuSeconds', 'viewerSeconds']),
  };
}

/** Those of one session's viewers, which the router's count as well; the others are the router's. */
export function ownCounters(ofRouter: SessionCounters): SessionCounters {
  return { ...ofRouter, viewers: new Counters(VIEWER_COUNTERS, ofRouter.viewers) };
}

/** What one viewer's consumers count. */
export function viewerCounters(
  video: Readonly<ConsumerStats>,
  audio: Readonly<ConsumerStats> | undefined,
  rtcpDropped: number,
): Record<ViewerCounter, number> {
  const counters: Partial<Record<ViewerCounter, number>> = { rtcpDropped };
  for (const name of COUNTED) {
    counters[`video.${name}`] = video[name];
    counters[`audio.${name}`] = (audio ?? NONE)[name];
  }
  return counters as Record<ViewerCounter, number>;
}
