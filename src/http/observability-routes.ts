import { READY_SEGMENT } from '../options/observability-options.js';
import { emptyResponse, jsonResponse } from './http-message.js';
import type { RouteMethods } from './session-routes.js';

/** What the route of the metrics shows. */
export interface MetricsSource {
  readonly contentType: string;
  read(): Promise<string>;
}

/** What the routes of the health show. */
export interface HealthState {
  readonly status: 'ok' | 'degraded' | 'closing';
}

/** The metrics, for Prometheus. */
export function metricsRoutes(path: string, metrics: MetricsSource): Readonly<Record<string, RouteMethods>> {
  return {
    [path]: {
      GET: async () => ({
        ...emptyResponse(200, { 'Content-Type': metrics.contentType, 'X-Content-Type-Options': 'nosniff' }),
        body: await metrics.read(),
      }),
    },
  };
}

/** Whether the server lives, and whether it could take another session. */
export function healthRoutes(path: string, read: () => HealthState): Readonly<Record<string, RouteMethods>> {
  const route = (passes: (health: HealthState) => boolean): RouteMethods => ({
    GET: () => {
      const health = read();
      return jsonResponse(passes(health) ? 200 : 503, health);
    },
  });
  return {
    // A server that is full is well: one that was ended for it would take its sessions with it.
    [path]: route(({ status }) => status !== 'closing'),
    [`${path}/${READY_SEGMENT}`]: route(({ status }) => status === 'ok'),
  };
}
