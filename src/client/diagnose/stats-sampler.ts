import { candidatePaths } from './candidate-paths.js';
import { playoutLatencyMs } from '../media/playout-latency.js';
import type { StatsEntry } from './stats-entry.js';
import type { RecentStats, StreamStats } from './stream-stats.js';

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
  // Browsers count repeats, probes and repair packets as received, but as lost only what never came at first.
  const repairs =
    increase('retransmittedPacketsReceived', before, now) + increase('fecPacketsReceived', before, now);
  const packetsReceived = Math.max(0, increase('packetsReceived', before, now) - repairs);
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
