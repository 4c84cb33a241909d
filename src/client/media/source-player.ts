import type { StatsReport } from '../diagnose/stats-sampler.js';

/** What a {@link SourcePlayer} tells its owner. */
export interface SourcePlayerListener {
  onTrack(track: MediaStreamTrack): void;
  /** Nothing comes from there any more, or nothing ever did. */
  onLost(error: Error): void;
}

/** Takes picture and sound from a media server. */
export interface SourcePlayer {
  /** Its tracks come in as they arrive. */
  readonly stream: MediaStream;
  getStats(): Promise<StatsReport>;
  /** Idempotent. Nothing is told any more, and the media server knows. */
  close(): void;
}
