import { StreamKitError } from '../base/errors.js';
import { aBoolean, badOption } from './option-checks.js';
import { option, type OptionsOf, orSwitch, type ResolvedOptionsOf, tableCheck } from './option-definition.js';
import { type ResolvedWebhookOptions, type WebhookOptions, webhookOptions } from './webhook-options.js';

const METRICS = {
  /** Below the mount point and `basePath`. Default `/metrics`. */
  path: option<string>(routePath, '/metrics'),
};

/** The route of the metrics. */
export interface MetricsOptions extends OptionsOf<typeof METRICS> {}

const HEALTH = {
  /** Below the mount point and `basePath`; whether there is room is told at `<path>/ready`. Default `/healthz`. */
  path: option<string>(routePath, '/healthz'),
};

/** The routes of the health. */
export interface HealthOptions extends OptionsOf<typeof HEALTH> {}

const OPEN_API = {
  /** Below the mount point and `basePath`. Default `/openapi.json`. */
  path: option<string>(routePath, '/openapi.json'),
};

/** The route of the OpenAPI document. */
export interface OpenApiOptions extends OptionsOf<typeof OPEN_API> {}

/** The path of a route. */
interface ResolvedRoute {
  readonly path: string;
}

export const OBSERVABILITY_OPTIONS = {
  /**
   * Serves the metrics for Prometheus at a path; `validateRequest` is asked as for every route. `router.metrics()` works
   * also without it. Default false.
   */
  metrics: option<boolean | MetricsOptions, ResolvedRoute | undefined>(orSwitch(tableCheck(METRICS))),
  /**
   * Serves the health at a path: 200 while the server lives, 503 once it closes; at `<path>/ready` 503 also while it
   * could not take another session. `validateRequest` is not asked, since what probes a container has no credentials;
   * nothing but yes and no is told. Default false.
   */
  health: option<boolean | HealthOptions, ResolvedRoute | undefined>(orSwitch(tableCheck(HEALTH))),
  /**
   * Serves an OpenAPI 3.1 document of the routes that this server has. `validateRequest` is not asked: it tells what the
   * public documentation does. Default false.
   */
  openApi: option<boolean | OpenApiOptions, ResolvedRoute | undefined>(orSwitch(tableCheck(OPEN_API))),
  /**
   * Serves a page at `/admin` on which an operator sees the sessions, ends and restarts them. Default false.
   */
  admin: option<boolean>(aBoolean, false),
  /** Posts events of sessions to a URL: created, streaming, recording finished, ended. Default: nothing is posted. */
  webhooks: option<WebhookOptions, ResolvedWebhookOptions>(webhookOptions),
};

/** How a server is watched. Part of `StreamKitOptions`. */
export interface ObservabilityOptions extends OptionsOf<typeof OBSERVABILITY_OPTIONS> {}

/** {@link ObservabilityOptions}, checked. Undefined: there is no such route. */
export type ResolvedObservabilityOptions = ResolvedOptionsOf<typeof OBSERVABILITY_OPTIONS>;

/** Below it: whether another session could be taken. */
export const READY_SEGMENT = 'ready';

/** @throws StreamKitError `bad_option` where two routes have the same path. */
export function checkRoutePaths({ metrics, health, openApi }: ResolvedObservabilityOptions): void {
  const taken = new Set(health === undefined ? [] : [health.path, `${health.path}/${READY_SEGMENT}`]);
  for (const [name, one] of Object.entries({ metrics, openApi })) {
    if (one === undefined) continue;
    if (taken.has(one.path)) {
      throw new StreamKitError('bad_option', `Expected a path for ${name}.path that no other route has`);
    }
    taken.add(one.path);
  }
}

function routePath(value: unknown, name: string): string {
  if (typeof value !== 'string' || !PATH.test(value) || STREAM_ID.test(value)) {
    throw badOption('path such as /metrics that can be no session', name, value);
  }
  return value;
}

/** No empty segment, nothing that a client would have to escape, and no colon, which stands for any segment. */
const PATH = /^(?:\/(?!\.{1,2}(?:\/|$))[\w.~-]+)+$/;
/** The first segment of every other route is a session's id: a UUID. */
const STREAM_ID = /^\/[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}(?:\/|$)/i;
