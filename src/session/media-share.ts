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

export interface MediaShareParameters {
  readonly videoCodec: VideoCodec;
  readonly video: Consumer;
  readonly audio: Consumer | undefined;
  /** What runs for it, in the order in which it is to be started. */
  readonly needs: readonly Need[];
  /** Which encoding it is sent. */
  readonly rung: Pick<LadderShare, 'diagnostics' | 'setLimits'>;
  /** Its consumers are closed. Once. */
  onClosed(): void;
}

/** Holds what the share needs from now on. */
export function openMediaShare(parameters: MediaShareParameters): MediaShare {
  const { videoCodec, video, audio, needs, rung } = parameters;
  const consumers = audio === undefined ? [video] : [video, audio];
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
      for (const consumer of consumers) {
        if (wanted) consumer.resume();
        else consumer.pause();
      }
    },
    setLimits: (limits) => {
      if (!closed) rung.setLimits(limits);
    },
    diagnostics: () => ({
      videoCodec,
      rung: rung.diagnostics(),
      video: consumerDiagnostics(video.stats),
      audio: audio === undefined ? null : consumerDiagnostics(audio.stats),
    }),
    close: () => {
      if (closed) return;
      closed = true;
      for (const consumer of consumers) consumer.close();
      parameters.onClosed();
      if (active) for (const need of needs) need.release();
    },
  };
}
