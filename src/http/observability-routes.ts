import { StreamKitError } from '../base/errors.js';
import { expectation, isPlainObject, refuseUnknownKeys } from '../options/option-checks.js';
import type { DrainRequest } from '../protocol/drain-request.js';
import type { RouterHealth } from '../protocol/health.js';
import type { HttpResponse } from './http-message.js';
import { emptyResponse, jsonResponse } from './http-message.js';
import { readOptionalJson } from './json-body.js';
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
export function drainRoutes(drain: (request: DrainRequest) => Promise<void>): HandlersOf<'drain'> {
  return {
    drain: async ({ request }) => {
      void drain(parseDrainRequest(await readOptionalJson(request)));
      return emptyResponse(202);
    },
  };
}

/** @throws StreamKitError `bad_request` that names the key, also one that is unknown: draining cannot be undone. */
function parseDrainRequest(body: unknown): DrainRequest {
  if (!isPlainObject(body)) throw new StreamKitError('bad_request', expectation('JSON object', 'body', body));
  refuseUnknownKeys(body, ['move']);
  const { move = false } = body;
  if (typeof move !== 'boolean')
    throw new StreamKitError('bad_request', expectation('boolean', 'move', move));
  return { move };
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
