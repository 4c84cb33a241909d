import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/logger.js';
import { procMemory } from '../base/process-memory.js';
import type { MediaPlane } from '../fanout/media-plane.js';
import type { ResolvedOptions } from '../options/stream-kit-options.js';
import type { AdminReport } from '../protocol/admin.js';
import type { RouterHealth } from '../protocol/health.js';
import type { SessionRoom } from '../session/open-sessions.js';
import { createAdminReport } from './admin-report.js';
import type { RouterGauges } from './router-gauges.js';
import { routerHealth } from './router-health.js';
import { RouterMetrics } from './router-metrics.js';
import { publishSessionEvent } from './session-channels.js';
import { Webhooks } from './webhooks.js';

/** The options of the room. */
export type ObservationOptions = Pick<ResolvedOptions, 'restart' | 'webhooks'>;

export interface ObservationParts {
  readonly sessions: Pick<SessionRoom, 'counters' | 'maxSessions' | 'observers' | 'registry'>;
  readonly mediaPlane: MediaPlane;
  readonly gauges: RouterGauges;
  /** What callers were refused because they asked too often. */
  readonly rateRefusals: () => Readonly<Record<string, number>>;
  /** The cluster lets this server take sessions; true where there is none. */
  readonly holdsLease: () => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** How the router is watched. */
export interface Observation {
  readonly metrics: RouterMetrics;
  readonly health: () => RouterHealth;
  readonly adminReport: () => Promise<AdminReport>;
  /** Lets the webhooks end what they have begun. Idempotent. */
  close(): Promise<void>;
}

/** From now on it is told of all sessions. */
export function openObservation(options: ObservationOptions, parts: ObservationParts): Observation {
  const { sessions, mediaPlane, gauges, rateRefusals, holdsLease, clock, logger } = parts;
  const { registry, observers, counters, maxSessions } = sessions;
  const webhooks = options.webhooks && new Webhooks({ options: options.webhooks, clock, logger });
  const metrics = new RouterMetrics({
    ...{ maxSessions, counters, mediaPlane, rateRefusals },
    states: () => registry.states(),
    room: () => registry.room,
    egressRefusals: gauges.egressRefusals,
    pool: gauges.pool,
    deviceEncodings: gauges.deviceEncodings,
    ...(webhooks === undefined ? {} : { webhooks: () => webhooks.counts }),
  });
  observers.add(metrics.observe);
  observers.add(publishSessionEvent);
  if (webhooks !== undefined) observers.add(webhooks.observe);
  return {
    metrics,
    health: () => routerHealth(registry, gauges, mediaPlane, holdsLease()),
    adminReport: createAdminReport({
      registry,
      mayRestart: options.restart !== false,
      readMemory: (pids) => procMemory(pids, Infinity),
      clock,
    }),
    close: async () => {
      metrics.close();
      await webhooks?.close();
    },
  };
}
