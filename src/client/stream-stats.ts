/** How the media is doing. An entry is undefined until the browser can tell it. */
export interface StreamStats {
  /** Video codec, such as `H264` or `VP8`. */
  codec: string | undefined;
  audioCodec: string | undefined;
  width: number | undefined;
  height: number | undefined;
  framesPerSecond: number | undefined;
  /** Received audio and video payload since the call before; undefined at the first call. */
  bitrateBps: number | undefined;
  /** Frames decoded too late or not at all, since the peer began. */
  framesDropped: number | undefined;
  packetsLost: number | undefined;
  /** Mean time a video frame waited in the jitter buffer since the call before. */
  jitterBufferMs: number | undefined;
  /** Round-trip time of the ICE pair in use. */
  rttMs: number | undefined;
}

/** The parts of an RTCStats entry that are read here; the W3C's dictionaries are not all in TypeScript's DOM. */
interface StatsEntry {
  id: string;
  type: string;
  timestamp: number;
  kind?: string;
  mimeType?: string;
  codecId?: string;
  bytesReceived?: number;
  frameWidth?: number;
  frameHeight?: number;
  framesPerSecond?: number;
  framesDropped?: number;
  packetsLost?: number;
  jitterBufferDelay?: number;
  jitterBufferEmittedCount?: number;
  selectedCandidatePairId?: string;
  currentRoundTripTime?: number;
}

interface Totals {
  timestampMs: number;
  bytes: number;
  jitterBufferDelayS: number;
  jitterBufferEmitted: number;
}

/** Anything that lists stats entries the way an RTCStatsReport does. */
export interface StatsReport {
  forEach(visit: (entry: unknown) => void): void;
}

/** Turns the running totals of `getStats()` into rates between two calls. */
export class StatsSampler {
  #previous: Totals | undefined;

  /** Starts anew, as for another peer. */
  reset(): void {
    this.#previous = undefined;
  }

  sample(report: StatsReport): StreamStats {
    const entries = new Map<string, StatsEntry>();
    report.forEach((entry) => {
      const stats = entry as StatsEntry;
      entries.set(stats.id, stats);
    });
    const all = [...entries.values()];
    const inbound = all.filter(({ type }) => type === 'inbound-rtp');
    const video = inbound.find(({ kind }) => kind === 'video');
    const audio = inbound.find(({ kind }) => kind === 'audio');
    const transport = all.find(({ type }) => type === 'transport');
    const pair = entries.get(transport?.selectedCandidatePairId ?? '');
    const totals: Totals = {
      timestampMs: Math.max(0, ...inbound.map(({ timestamp }) => timestamp)),
      bytes: inbound.reduce((sum, { bytesReceived = 0 }) => sum + bytesReceived, 0),
      jitterBufferDelayS: video?.jitterBufferDelay ?? 0,
      jitterBufferEmitted: video?.jitterBufferEmittedCount ?? 0,
    };
    const previous = this.#previous;
    this.#previous = totals;
    return {
      codec: codecName(entries, video),
      audioCodec: codecName(entries, audio),
      width: video?.frameWidth,
      height: video?.frameHeight,
      framesPerSecond: video?.framesPerSecond,
      bitrateBps: bitrateBps(previous, totals),
      framesDropped: video?.framesDropped,
      packetsLost: video?.packetsLost,
      jitterBufferMs: jitterBufferMs(previous, totals),
      rttMs: pair?.currentRoundTripTime === undefined ? undefined : pair.currentRoundTripTime * 1000,
    };
  }
}

function codecName(entries: Map<string, StatsEntry>, inbound: StatsEntry | undefined): string | undefined {
  return entries.get(inbound?.codecId ?? '')?.mimeType?.split('/')[1];
}

function bitrateBps(previous: Totals | undefined, now: Totals): number | undefined {
  if (previous === undefined || now.timestampMs <= previous.timestampMs) return undefined;
  const bits = Math.max(0, now.bytes - previous.bytes) * 8;
  return (bits * 1000) / (now.timestampMs - previous.timestampMs);
}

function jitterBufferMs(previous: Totals | undefined, now: Totals): number | undefined {
  const frames = now.jitterBufferEmitted - (previous?.jitterBufferEmitted ?? 0);
  if (frames <= 0) return undefined;
  return ((now.jitterBufferDelayS - (previous?.jitterBufferDelayS ?? 0)) * 1000) / frames;
}
