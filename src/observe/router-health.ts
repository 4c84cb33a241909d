import type { MediaPlane } from '../fanout/media-plane.js';
import type { HealthChecks, RouterHealth } from '../protocol/health.js';
import type { SessionRegistry } from '../session/session-registry.js';
import type { RouterGauges } from './router-gauges.js';

export function routerHealth(
  registry: Pick<SessionRegistry, 'hasRoom' | 'closed'>,
  gauges: Pick<RouterGauges, 'encoderFound'>,
  mediaPlane: Pick<MediaPlane, 'closed'>,
): RouterHealth {
  const checks: HealthChecks = {
    capacity: registry.hasRoom,
    encoder: gauges.encoderFound(),
    mediaPlane: !mediaPlane.closed,
  };
  const isReady = checks.capacity && checks.encoder && checks.mediaPlane;
  return { status: registry.closed ? 'closing' : isReady ? 'ok' : 'degraded', checks };
}
