import { candidatePaths, type CandidatePaths } from './candidate-paths.js';
import { playoutLatencyMs } from '../media/playout-latency.js';
import type { StatsEntry } from './stats-entry.js';

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
  /** Mean time in the decoder of a video frame since the call before. */
  decodeMs: number | undefined;
  /**
   * From the capture of a picture on the server to its showing here, by the sender reports of both streams. An estimate:
   * the clocks are compared on the assumption that the network takes as long there as back. Undefined without sound.
   */
  playoutLatencyMs: number | undefined;
  /** Of the video since the call before; undefined at the first call. */
  recent: RecentStats | undefined;
  /** ICE candidates and checks. */
  paths: CandidatePaths;
}

/** Video between two calls. */
export interface RecentStats {
  intervalMs: number;
  packetsReceived: number;
  /** 0 to 1, of what was expected; retransmissions may have made up for it. */
  lossRatio: number;
  framesReceived: number;
  framesDecoded: number;
  framesDropped: number;
  nacksSent: number;
  plisSent: number;
  /** How long the picture stood still where it should not have. */
  freezeMs: number;
}

interface Totals {
  timestampMs: number;
  bytes: number;
  video: StatsEntry | undefined;
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
    const paths = candidatePaths(entries);
    const totals: Totals = {
      timestampMs: Math.max(0, ...inbound.map(({ timestamp }) => timestamp)),
      bytes: inbound.reduce((sum, { bytesReceived = 0 }) => sum + bytesReceived, 0),
      video,
    };
    const previous = this.#previous;
    this.#previous = totals;
    const since = (name: TotalName): number => increase(name, previous?.video, video);
    const rttMs = paths.selected?.rttMs;
    return {
      codec: codecName(entries, video),
      audioCodec: codecName(entries, audio),
      width: video?.frameWidth,
      height: video?.frameHeight,
      framesPerSecond: video?.framesPerSecond,
      bitrateBps: bitrateBps(previous, totals),
      framesDropped: video?.framesDropped,
      packetsLost: video?.packetsLost,
      jitterBufferMs: meanMs(since('jitterBufferDelay'), since('jitterBufferEmittedCount')),
      rttMs,
      decodeMs: meanMs(since('totalDecodeTime'), since('framesDecoded')),
      playoutLatencyMs: playoutLatencyMs(all, video, rttMs),
      recent: recentStats(previous?.video, video),
      paths,
    };
  }
}

type TotalName = {
  [Name in keyof StatsEntry]-?: StatsEntry[Name] extends number | undefined ? Name : never;
}[keyof StatsEntry];

function codecName(entries: Map<string, StatsEntry>, inbound: StatsEntry | undefined): string | undefined {
  return entries.get(inbound?.codecId ?? '')?.mimeType?.split('/')[1];
}

/** Of a total; from zero where there was no total before, or one of another stream. */
function increase(name: TotalName, before: StatsEntry | undefined, now: StatsEntry | undefined): number {
  const start = before?.id === now?.id ? (before?.[name] ?? 0) : 0;
  return Math.max(0, (now?.[name] ?? 0) - start);
}

function bitrateBps(previous: Totals | undefined, now: Totals): number | undefined {
  if (previous === undefined || now.timestampMs <= previous.timestampMs) return undefined;
  const bits = Math.max(0, now.bytes - previous.bytes) * 8;
  return (bits * 1000) / (now.timestampMs - previous.timestampMs);
}

function meanMs(seconds: number, count: number): number | undefined {
  return count > 0 ? (seconds * 1000) / count : undefined;
}

function recentStats(before: StatsEntry | undefined, now: StatsEntry | undefined): RecentStats | undefined {
  if (before === undefined || before.id !== now?.id || now.timestamp <= before.timestamp) return undefined;
  const packetsReceived = increase('packetsReceived', before, now);
  const packetsLost = increase('packetsLost', before, now);
  const expected = packetsReceived + packetsLost;
  return {
    intervalMs: now.timestamp - before.timestamp,
    packetsReceived,
    lossRatio: expected === 0 ? 0 : packetsLost / expected,
    framesReceived: increase('framesReceived', before, now),
    framesDecoded: increase('framesDecoded', before, now),
    framesDropped: increase('framesDropped', before, now),
    nacksSent: increase('nackCount', before, now),
    plisSent: increase('pliCount', before, now),
    freezeMs: increase('totalFreezesDuration', before, now) * 1000,
  };
}
