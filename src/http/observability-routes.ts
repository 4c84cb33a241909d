import type { RouterHealth } from '../protocol/health.js';
import type { HttpResponse } from './http-message.js';
import { emptyResponse, jsonResponse } from './http-message.js';
import type { HandlersOf } from './route-handler.js';

/** What the route of the metrics shows. */
export interface MetricsSource {
  readonly contentType: string;
  read(): Promise<string>;
}

/** The metrics, for Prometheus. */
export function metricsRoutes(metrics: MetricsSource): HandlersOf<'readMetrics'> {
  return {
    readMetrics: async () => ({
      ...emptyResponse(200, { 'Content-Type': metrics.contentType, 'X-Content-Type-Options': 'nosniff' }),
      body: await metrics.read(),
    }),
  };
}

/** Takes the server out of service without ending what is watched. */
export function drainRoutes(drain: () => Promise<void>): HandlersOf<'drain'> {
  return {
    drain: () => {
      void drain();
      return emptyResponse(202);
    },
  };
}

/** Whether the server lives, and whether it could take another session. */
export function healthRoutes(read: () => RouterHealth): HandlersOf<'readHealth' | 'readReadiness'> {
  const route = (passes: (health: RouterHealth) => boolean) => (): HttpResponse => {
    const health = read();
    return jsonResponse(passes(health) ? 200 : 503, health);
  };
  return {
    // A server that is full is healthy: restarting it would end its sessions.
    readHealth: route(({ status }) => status !== 'closing'),
    readReadiness: route(({ status }) => status === 'ok'),
  };
}
