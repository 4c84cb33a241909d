import type { StatsEntry } from '../diagnose/stats-entry.js';

/** From 1900, where NTP's clock begins (RFC 5905 section 6), to 1970. */
const NTP_TO_UNIX_MS = 2_208_988_800_000;

/**
 * From the capture of a picture to its showing, ms. The browser tells which moment of the sender's clock it is showing,
 * and when the last sender report left there and arrived here; of the way of that report, half a round trip is assumed.
 */
export function playoutLatencyMs(
  entries: readonly StatsEntry[],
  video: StatsEntry | undefined,
  rttMs: number | undefined,
): number | undefined {
  const shownNtpMs = video?.estimatedPlayoutTimestamp;
  const sender = entries.find(({ type, localId }) => type === 'remote-outbound-rtp' && localId === video?.id);
  if (video === undefined || !shownNtpMs || sender?.remoteTimestamp === undefined || rttMs === undefined) {
    return undefined;
  }
  const sinceReportMs = video.timestamp - sender.timestamp;
  const senderNowMs = sender.remoteTimestamp + rttMs / 2 + sinceReportMs;
  const latencyMs = senderNowMs - (shownNtpMs - NTP_TO_UNIX_MS);
  // Clocks that were set meanwhile, or a browser that counts from elsewhere: better nothing than nonsense.
  return latencyMs >= 0 && latencyMs < 60_000 ? latencyMs : undefined;
}
