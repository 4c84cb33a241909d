import type { MediaPlane } from '../fanout/media-plane.js';
import type { HealthChecks, RouterHealth } from '../protocol/health.js';
import type { SessionRegistry } from '../session/session-registry.js';
import type { RouterGauges } from './router-gauges.js';

export function routerHealth(
  registry: Pick<SessionRegistry, 'hasRoom' | 'closed' | 'draining'>,
  gauges: Pick<RouterGauges, 'encoderFound'>,
  mediaPlane: Pick<MediaPlane, 'closed'>,
  holdsLease: boolean,
): RouterHealth {
  const checks: HealthChecks = {
    capacity: registry.hasRoom,
    encoder: gauges.encoderFound(),
    mediaPlane: !mediaPlane.closed,
    cluster: holdsLease,
  };
  const isReady = checks.capacity && checks.encoder && checks.mediaPlane && checks.cluster;
  if (registry.closed) return { status: 'closing', checks };
  if (registry.draining) return { status: 'draining', checks };
  return { status: isReady ? 'ok' : 'degraded', checks };
}
