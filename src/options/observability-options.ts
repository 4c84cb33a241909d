import { StreamKitError } from '../base/errors.js';
import { aBoolean, anObject, badOption, refuseUnknownNames } from './option-checks.js';
import { type ResolvedWebhookOptions, type WebhookOptions, webhookOptions } from './webhook-options.js';

/** The route of the metrics. */
export interface MetricsOptions {
  /** Below the mount point and `basePath`. Default `/metrics`. */
  path?: string;
}

/** The routes of the health. */
export interface HealthOptions {
  /** Below the mount point and `basePath`; whether there is room is told at `<path>/ready`. Default `/healthz`. */
  path?: string;
}

/** The route of the OpenAPI document. */
export interface OpenApiOptions {
  /** Below the mount point and `basePath`. Default `/openapi.json`. */
  path?: string;
}

/** How a server is watched. Part of `StreamKitOptions`. */
export interface ObservabilityOptions {
  /**
   * Serves the metrics for Prometheus at a path; `validateRequest` is asked as for every route. `router.metrics()` works
   * also without it. Default false.
   */
  metrics?: boolean | MetricsOptions;
  /**
   * Serves the health at a path: 200 while the server lives, 503 once it closes; at `<path>/ready` 503 also while it
   * could not take another session. `validateRequest` is not asked, since what probes a container has no credentials;
   * nothing but yes and no is told. Default false.
   */
  health?: boolean | HealthOptions;
  /**
   * Serves an OpenAPI 3.1 document of the routes that this server has. `validateRequest` is not asked: it tells what the
   * public documentation does. Default false.
   */
  openApi?: boolean | OpenApiOptions;
  /**
   * Serves a page at `/admin` on which an operator sees the sessions, ends and restarts them. Default false.
   */
  admin?: boolean;
  /** Posts events of sessions to a URL: created, streaming, recording finished, ended. Default: nothing is posted. */
  webhooks?: WebhookOptions;
}

/** {@link ObservabilityOptions}, checked. Undefined: there is no such route. */
export interface ResolvedObservabilityOptions {
  readonly metrics: { readonly path: string } | undefined;
  readonly health: { readonly path: string } | undefined;
  readonly openApi: { readonly path: string } | undefined;
  readonly admin: boolean;
  readonly webhooks: ResolvedWebhookOptions | undefined;
}

export const OBSERVABILITY_OPTION_NAMES = ['metrics', 'health', 'openApi', 'admin', 'webhooks'] as const;

/** Below it: whether another session could be taken. */
export const READY_SEGMENT = 'ready';

/** @throws StreamKitError `bad_option`. */
export function observabilityOptions(given: Readonly<Record<string, unknown>>): ResolvedObservabilityOptions {
  const metrics = route(given.metrics, 'metrics', '/metrics');
  const health = route(given.health, 'health', '/healthz');
  const openApi = route(given.openApi, 'openApi', '/openapi.json');
  const taken = new Set(health === undefined ? [] : [health.path, `${health.path}/${READY_SEGMENT}`]);
  for (const [name, one] of Object.entries({ metrics, openApi })) {
    if (one === undefined) continue;
    if (taken.has(one.path)) {
      throw new StreamKitError('bad_option', `Expected a path for ${name}.path that no other route has`);
    }
    taken.add(one.path);
  }
  const webhooks = given.webhooks === undefined ? undefined : webhookOptions(given.webhooks, 'webhooks');
  const admin = given.admin === undefined ? false : aBoolean(given.admin, 'admin');
  return { metrics, health, openApi, admin, webhooks };
}

function route(value: unknown, name: string, fallback: string): { readonly path: string } | undefined {
  if (value === undefined || value === false) return undefined;
  const given = value === true ? {} : anObject(value, name);
  refuseUnknownNames(given, ['path'], name);
  const { path = fallback } = given;
  if (typeof path !== 'string' || !PATH.test(path) || STREAM_ID.test(path)) {
    throw badOption('path such as /metrics that can be no session', `${name}.path`, path);
  }
  return Object.freeze({ path });
}

/** No empty segment, nothing that a client would have to escape, and no colon, which stands for any segment. */
const PATH = /^(?:\/(?!\.{1,2}(?:\/|$))[\w.~-]+)+$/;
/** The first segment of every other route is a session's id: a UUID. */
const STREAM_ID = /^\/[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}(?:\/|$)/i;
