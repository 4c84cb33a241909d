import type { MediaPlane } from '../fanout/media-plane.js';
import type { SessionRegistry } from '../session/session-registry.js';
import type { RouterGauges } from './router-gauges.js';

/** What {@link RouterHealth} is made of. Nothing but yes and no: it is told to whoever asks. */
export interface HealthChecks {
  /** Another session could be taken. */
  readonly capacity: boolean;
  /** It is known which encoders work, and there is one. */
  readonly encoder: boolean;
  /** Media can be sent. */
  readonly mediaPlane: boolean;
}

/** How a router is. */
export interface RouterHealth {
  /**
   * `ok`: it could take another session. `degraded`: some check fails. `draining`: it takes no new sessions any more.
   * `closing`: it is being closed, or is.
   */
  readonly status: 'ok' | 'degraded' | 'draining' | 'closing';
  readonly checks: HealthChecks;
}

export function routerHealth(
  registry: Pick<SessionRegistry, 'hasRoom' | 'closed' | 'draining'>,
  gauges: Pick<RouterGauges, 'encoderFound'>,
  mediaPlane: Pick<MediaPlane, 'closed'>,
): RouterHealth {
  const checks: HealthChecks = {
    capacity: registry.hasRoom,
    encoder: gauges.encoderFound(),
    mediaPlane: !mediaPlane.closed,
  };
  const isReady = checks.capacity && checks.encoder && checks.mediaPlane;
  if (registry.closed) return { status: 'closing', checks };
  if (registry.draining) return { status: 'draining', checks };
  return { status: isReady ? 'ok' : 'degraded', checks };
}
