import type { StatsEntry } from './stats-entry.js';

/** The ways that ICE knows between browser and server. Types are `host`, `srflx`, `prflx` and `relay`. */
export interface CandidatePaths {
  /** The pair that media goes over. */
  readonly selected:
    | {
        readonly local: string;
        readonly remote: string;
        /** `udp` or `tcp`; of a relayed path that to the relay: `udp`, `tcp` or `tls`. */
        readonly protocol: string;
        readonly rttMs: number | undefined;
      }
    | undefined;
  /** Types of the candidates that there are, each once. */
  readonly local: readonly string[];
  readonly remote: readonly string[];
  /** Connectivity checks over all pairs. */
  readonly checksSent: number;
  readonly checksAnswered: number;
}

export function candidatePaths(entries: ReadonlyMap<string, StatsEntry>): CandidatePaths {
  const all = [...entries.values()];
  const pairs = all.filter(({ type }) => type === 'candidate-pair');
  const transport = all.find(({ type }) => type === 'transport');
  const pair = entries.get(transport?.selectedCandidatePairId ?? '');
  const local = entries.get(pair?.localCandidateId ?? '');
  const remote = entries.get(pair?.remoteCandidateId ?? '');
  const rtt = pair?.currentRoundTripTime;
  return {
    selected: pair && {
      local: local?.candidateType ?? 'unknown',
      remote: remote?.candidateType ?? 'unknown',
      protocol: local?.relayProtocol ?? local?.protocol ?? 'unknown',
      rttMs: rtt === undefined ? undefined : rtt * 1000,
    },
    local: types(all, 'local-candidate'),
    remote: types(all, 'remote-candidate'),
    checksSent: pairs.reduce((sum, { requestsSent = 0 }) => sum + requestsSent, 0),
    checksAnswered: pairs.reduce((sum, { responsesReceived = 0 }) => sum + responsesReceived, 0),
  };
}

function types(entries: readonly StatsEntry[], kind: string): string[] {
  const found = entries
    .filter(({ type }) => type === kind)
    .map(({ candidateType = 'unknown' }) => candidateType);
  return [...new Set(found)].sort();
}
