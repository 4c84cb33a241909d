import type { LayerDiagnostics } from '../protocol/session-diagnostics.js';
import type { VideoCodec } from '../render/encode/encoded-frame.js';
import type { Consumer } from '../fanout/media-plane.js';
import type { LadderShare } from './codec-ladder.js';
import type { Need } from './on-demand.js';
import { consumerDiagnostics, type ShareDiagnostics } from './session-diagnostics.js';
import type { ViewerLimits } from './viewer-limits.js';

/** One viewer's share of the session's media. */
export interface MediaShare {
  /** While off nothing is sent, and it does not keep the encoders running. Starts on. */
  setActive(active: boolean): void;
  /** The viewer gets no more than this from now on. */
  setLimits(limits: ViewerLimits): void;
  diagnostics(): ShareDiagnostics;
  /** Idempotent. */
  close(): void;
}

/** One encoding of the pictures that it gets at a time. */
type VideoShare = Pick<
  LadderShare,
  'rid' | 'consumer' | 'isSent' | 'setActive' | 'setLimits' | 'diagnostics'
>;

export interface MediaShareParameters {
  readonly videoCodec: VideoCodec;
  /** One, or each layer of a simulcast with its name, the best first. */
  readonly video: readonly [VideoShare, ...VideoShare[]];
  readonly audio: Consumer | undefined;
  /** What runs for it, in the order in which it is to be started. */
  readonly needs: readonly Need[];
  /** Its consumers are closed. Once. */
  onClosed(): void;
}

/** Holds what the share needs from now on. */
export function openMediaShare(parameters: MediaShareParameters): MediaShare {
  const { videoCodec, video, audio, needs } = parameters;
  for (const need of needs) need.hold();

  let active = true;
  let closed = false;
  return {
    setActive: (wanted) => {
      if (closed || wanted === active) return;
      active = wanted;
      for (const need of needs) {
        if (wanted) need.hold();
        else need.release();
      }
      for (const share of video) share.setActive(wanted);
      if (wanted) audio?.resume();
      else audio?.pause();
    },
    diagnostics: () => {
      const best = video.find(({ isSent }) => isSent) ?? video[0];
      const layers = video.flatMap((layer): LayerDiagnostics[] => {
        const { rid, isSent, consumer } = layer;
        if (rid === undefined) return [];
        const rung = layer.diagnostics();
        return [{ rid, sent: isSent, rung, video: consumerDiagnostics(consumer.stats) }];
      });
      return {
        videoCodec,
        rung: best.diagnostics(),
        video: consumerDiagnostics(best.consumer.stats),
        ...(layers.length === 0 ? {} : { layers }),
        audio: audio === undefined ? null : consumerDiagnostics(audio.stats),
      };
    },
    setLimits: (limits) => {
      if (closed) return;
      for (const share of video) share.setLimits(limits);
    },
    close: () => {
      if (closed) return;
      closed = true;
      for (const { consumer } of video) consumer.close();
      audio?.close();
      parameters.onClosed();
      if (active) for (const need of needs) need.release();
    },
  };
}
