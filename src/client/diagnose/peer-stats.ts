import type { StatsReport, StatsSampler } from './stats-sampler.js';
import type { StreamStats } from './stream-stats.js';

/** How one peer is doing between two calls. What computes it is loaded at the first. */
export class PeerStats {
  #sampler: StatsSampler | undefined;

  async sample(peer: { getStats(): Promise<StatsReport> } | undefined): Promise<StreamStats> {
    const { StatsSampler } = await import('./stats-sampler.js');
    const report = (await peer?.getStats()) ?? new Map<string, unknown>();
    this.#sampler ??= new StatsSampler();
    return this.#sampler.sample(report);
  }

  /** Starts anew, as for another peer. */
  reset(): void {
    this.#sampler = undefined;
  }
}
