import type { ConsumerStats } from '../fanout/media-plane.js';
import { FigureLedger } from './figure-ledger.js';

/** What is counted of one viewer's media. */
const SENT = ['packetsSent', 'bytesSent', 'packetsRetransmitted', 'framesDropped'] as const;
const ASKED = ['nacksReceived', 'plisReceived', 'firsReceived'] as const;

type Counted = (typeof SENT)[number] | (typeof ASKED)[number];
export type ViewerFigure = `${'video' | 'audio'}.${Counted}` | 'rtcpDropped';
/** What is counted of the pictures of one session. */
export type PictureFigure = 'framesRead' | 'framesDropped';

/** What is counted of sessions as a whole. */
export type UsageFigure = 'cpuSeconds' | 'viewerSeconds';

/** The figures of all sessions of a router. */
export interface SessionFigures {
  /** One entry for each viewer whose media is attached. */
  readonly viewers: FigureLedger<ViewerFigure>;
  readonly pictures: FigureLedger<PictureFigure>;
  /** One entry for each page session. */
  readonly usage: FigureLedger<UsageFigure>;
}

const COUNTED: readonly Counted[] = [...SENT, ...ASKED];
const NONE = Object.fromEntries(COUNTED.map((name) => [name, 0])) as Record<Counted, number>;

const VIEWER_FIGURES: readonly ViewerFigure[] = [
  ...(['video', 'audio'] as const).flatMap((kind) => COUNTED.map((name): ViewerFigure => `${kind}.${name}`)),
  'rtcpDropped',
];

export function newSessionFigures(): SessionFigures {
  return {
    viewers: new FigureLedger(VIEWER_FIGURES),
    pictures: new FigureLedger<PictureFigure>(['framesRead', 'framesDropped']),
    usage: new FigureLedger<UsageFigure>(['cpuSeconds', 'viewerSeconds']),
  };
}

/** Those of one session's viewers, which the router's count as well; the others are the router's. */
export function ownFigures(ofRouter: SessionFigures): SessionFigures {
  return { ...ofRouter, viewers: new FigureLedger(VIEWER_FIGURES, ofRouter.viewers) };
}

/** One viewer's figures, as its consumers count them. */
export function viewerFigures(
  video: Readonly<ConsumerStats>,
  audio: Readonly<ConsumerStats> | undefined,
  rtcpDropped: number,
): Record<ViewerFigure, number> {
  const figures: Partial<Record<ViewerFigure, number>> = { rtcpDropped };
  for (const name of COUNTED) {
    figures[`video.${name}`] = video[name];
    figures[`audio.${name}`] = (audio ?? NONE)[name];
  }
  return figures as Record<ViewerFigure, number>;
}
