import type { ClientReport } from './client-report.js';
import type { SessionDiagnostics } from '../../protocol/session-diagnostics.js';

/** The stages of a picture, in their order. */
export type LatencyStageName = 'capture' | 'encode' | 'send' | 'network' | 'jitterBuffer' | 'decode';

export interface LatencyStage {
  readonly stage: LatencyStageName;
  /** Mean of about the last second; undefined where it is not known. */
  readonly ms: number | undefined;
  /** It was not measured: of the network, half a round trip. */
  readonly estimated: boolean;
}

/** From paint in the page to the screen, but for what the screen itself takes. */
export interface StageLatency {
  readonly stages: readonly LatencyStage[];
  /** Undefined where a stage is not known and the browser does not tell the whole. */
  readonly totalMs: number | undefined;
  /** `playout`: from sender reports, an estimate that has everything in it; `sum`: of the stages. */
  readonly totalFrom: 'playout' | 'sum';
}

/** Where the time goes between a picture of the page and its showing here. */
export function stageLatency(report: ClientReport, server?: SessionDiagnostics): StageLatency {
  const { stats, publicId } = report;
  const viewer = server?.viewers.find((one) => one.publicId === publicId);
  const { latency } = server?.encodings.find(({ codec }) => codec === viewer?.videoCodec) ?? {};
  const stages: LatencyStage[] = [
    { stage: 'capture', ms: latency?.capture.meanMs, estimated: false },
    { stage: 'encode', ms: latency?.encode.meanMs, estimated: false },
    { stage: 'send', ms: latency?.send.meanMs, estimated: false },
    { stage: 'network', ms: stats.rttMs === undefined ? undefined : stats.rttMs / 2, estimated: true },
    { stage: 'jitterBuffer', ms: stats.jitterBufferMs, estimated: false },
    { stage: 'decode', ms: stats.decodeMs, estimated: false },
  ];
  if (stats.playoutLatencyMs !== undefined) {
    return { stages, totalMs: stats.playoutLatencyMs, totalFrom: 'playout' };
  }
  const known = stages.map(({ ms }) => ms).filter((ms) => ms !== undefined);
  const totalMs = known.length === stages.length ? known.reduce((sum, ms) => sum + ms, 0) : undefined;
  return { stages, totalMs, totalFrom: 'sum' };
}
