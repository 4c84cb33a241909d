import type { Clock } from '../base/clock.js';
import { READY_SEGMENT } from '../options/observability-options.js';
import type { ResolvedOptions } from '../options/stream-kit-options.js';
import type { AdminReport } from '../protocol/admin.js';
import type { RouterHealth } from '../protocol/health.js';
import type { ConfigurableRoute } from '../protocol/routes.js';
import type { SessionRoom } from '../session/open-sessions.js';
import { adminRoutes } from './admin-routes.js';
import type { CallerRates } from './caller-rates.js';
import type { CallerSeats } from './caller-seats.js';
import { fileRoutes } from './file-routes.js';
import type { DrainRequest } from '../protocol/drain-request.js';
import { drainRoutes, healthRoutes, type MetricsSource, metricsRoutes } from './observability-routes.js';
import { openApiRoutes } from './openapi-routes.js';
import { playlistRoutes } from './playlist-routes.js';
import { profileRoutes } from './profile-routes.js';
import { publicationRoutes } from './publication-routes.js';
import { recordingRoutes } from './recording-routes.js';
import { optionalHandlers, type RouteHandler, type RouteHandlers, servedRoutes } from './route-handler.js';
import { sessionRoutes } from './session-routes.js';
import { openStreamKitWeb, type StreamKitWeb, type StreamKitWebParameters } from './stream-kit-web.js';
import { viewRoutes } from './view-routes.js';
import { whepRoutes } from './whep-routes.js';

/** The options that say which routes there are. */
export type RouterRoutesOptions = Pick<
  ResolvedOptions,
  | 'admin'
  | 'cdp'
  | 'health'
  | 'logger'
  | 'metrics'
  | 'openApi'
  | 'overflow'
  | 'profileDirectory'
  | 'publications'
  | 'streamKitWeb'
  | 'streamTokens'
  | 'trustProxy'
>;

export interface RouterRoutesParts {
  readonly sessions: SessionRoom;
  readonly metrics: MetricsSource;
  readonly health: () => RouterHealth;
  readonly adminReport: () => Promise<AdminReport>;
  readonly rates: CallerRates;
  readonly seats: CallerSeats;
  /** Lets the other nodes find a session that was made here; undefined: there are none. @throws StreamKitError `unavailable`. */
  readonly announce: ((streamId: string) => Promise<void>) | undefined;
  /** Takes a session from another node; undefined: there are none. */
  readonly receive: RouteHandler | undefined;
  readonly drain: (request: DrainRequest) => Promise<void>;
  readonly clock: Clock;
  readonly onServerError: StreamKitWebParameters['onServerError'];
}

/** All routes of a router. */
export interface RouterRoutes {
  readonly handlers: RouteHandlers;
  /** Paths below the base path that options have set. */
  readonly paths: Readonly<Partial<Record<ConfigurableRoute, string>>>;
  /** Undefined: the clients stream-kit-web and stream-kit-react are not served. */
  readonly web: StreamKitWeb | undefined;
}

export function routerRoutes(options: RouterRoutesOptions, parts: RouterRoutesParts): RouterRoutes {
  const { rates, seats, clock, announce, onServerError } = parts;
  const { registry, sessions, profiles, recordings, playlists, iceServers } = parts.sessions;
  const { admin, cdp, health, logger, metrics, openApi, streamKitWeb, trustProxy } = options;
  const web =
    streamKitWeb &&
    openStreamKitWeb({
      options: streamKitWeb,
      ...{ registry, sessions, iceServers, rates, seats, trustProxy, clock, onServerError },
    });
  const paths = {
    ...(metrics === undefined ? {} : { readMetrics: metrics.path }),
    ...(openApi === undefined ? {} : { readOpenApi: openApi.path }),
    ...(health === undefined
      ? {}
      : { readHealth: health.path, readReadiness: `${health.path}/${READY_SEGMENT}` }),
  };
  const handlers: RouteHandlers = {
    ...drainRoutes(parts.drain),
    receiveSession: parts.receive,
    ...optionalHandlers(health && healthRoutes(parts.health)),
    ...optionalHandlers(metrics && metricsRoutes(parts.metrics)),
    ...sessionRoutes({ registry, sessions, rates, seats, iceServers, cdp, announce }),
    ...fileRoutes(registry),
    ...optionalHandlers(options.profileDirectory && profileRoutes(profiles)),
    ...optionalHandlers(admin ? adminRoutes(registry, parts.adminReport) : undefined),
    ...optionalHandlers(web?.handlers),
    ...viewRoutes(sessions, options.streamTokens !== undefined, options.overflow !== undefined),
    ...whepRoutes({ registry, rates, seats, iceServers, logger }),
    ...optionalHandlers(recordings && recordingRoutes(recordings)),
    ...optionalHandlers(options.publications && publicationRoutes({ registry, iceServers, rates })),
    ...optionalHandlers(playlists && playlistRoutes(playlists)),
    ...optionalHandlers(openApi && openApiRoutes({ served: () => servedRoutes(handlers), paths })),
  };
  return { handlers, paths, web };
}
