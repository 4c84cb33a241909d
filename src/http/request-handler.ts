import type { Clock } from '../base/clock.js';
import type { ErrorCode } from '../base/errors.js';
import { StreamKitError } from '../base/errors.js';
import type { Caller } from '../session/caller.js';
import type { Authorize } from './authorization.js';
import type { CorsPolicy } from './cors-policy.js';
import { errorResponse } from './error-response.js';
import type { HttpRequest, HttpResponse } from './http-message.js';
import { emptyResponse } from './http-message.js';
import { scopeOf } from './route-scopes.js';
import type { RouteMethods } from './session-routes.js';

export interface RequestHandlerParameters {
  /** By path below the base path; a segment with a colon stands for any one. */
  readonly routes: Readonly<Record<string, RouteMethods>>;
  /** The same, but whoever asks is answered. They are looked at first. */
  readonly openRoutes?: Readonly<Record<string, RouteMethods>>;
  readonly authorize: Authorize;
  readonly cors: CorsPolicy;
  /** An answer of status 500 was given; `caller` is undefined where it was given before one was known. */
  onServerError(thrown: unknown, streamId: string | undefined, caller: Caller | undefined): void;
  /** Any answer was given; of an event stream or a file its head. */
  readonly onAnswered?: (answered: AnsweredRequest) => void;
}

/** What was asked and what came of it, without anything that the client chose freely. */
export interface AnsweredRequest {
  /** Path of the route, such as `/:streamId/sse`. */
  readonly route: string;
  /** `other` for what no route of this server knows. */
  readonly method: RequestMethod;
  readonly status: number;
  /** Of the error that was answered. */
  readonly code: ErrorCode | undefined;
  readonly durationMs: number;
}

const REQUEST_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;
export type RequestMethod = (typeof REQUEST_METHODS)[number] | 'other';

/** Answers one request; undefined where no route has its path. Never rejects. */
export type RequestHandler = (request: HttpRequest) => Promise<HttpResponse | undefined>;

/** What an adapter joins to a framework. */
export interface Mount {
  /** Begins with a slash and ends without one; empty for the root. */
  readonly basePath: string;
  readonly handle: RequestHandler;
  readonly clock: Clock;
}

/** For a host that has no next handler to pass a request on to. */
export function notFoundResponse(): HttpResponse {
  return errorResponse(new StreamKitError('not_found', 'There is nothing at this path'));
}

export function createRequestHandler(parameters: RequestHandlerParameters): RequestHandler {
  const { openRoutes = {}, onAnswered, authorize, cors } = parameters;
  const routes = [
    ...routesOf(openRoutes, () => Promise.resolve(ANYBODY)),
    ...routesOf(parameters.routes, authorize),
  ];

  const answer = async (request: HttpRequest, route: Route, segments: readonly string[]): Promise<Answer> => {
    const named = namedSegments(route.segments, segments);
    const { streamId = '' } = named;
    const { methods, allow, toldHeaders } = route;
    // Not validated: a preflight never carries credentials, and this tells nothing that the protocol does not.
    if (request.method === 'OPTIONS') {
      const response = emptyResponse(204, { Allow: allow, ...toldHeaders });
      return { response: await cors.sharePreflight(request, response, allow) };
    }
    let caller: Caller | undefined;
    try {
      const method = request.method === 'HEAD' ? 'GET' : request.method;
      const handler = Object.entries(methods).find(([name]) => name === method)?.[1];
      if (handler === undefined) {
        const headers = { Allow: allow };
        throw new StreamKitError('method_not_allowed', `Expected one of the methods ${allow}`, { headers });
      }
      caller = await route.authorize(request, { streamId, scope: scopeOf(method, route.path) });
      const response = await handler({ request, streamId, segments: named, caller });
      return { response: await cors.share(request, response) };
    } catch (thrown) {
      const response = errorResponse(thrown);
      if (response.status === 500) {
        parameters.onServerError(thrown, streamId === '' ? undefined : streamId, caller);
      }
      const code = thrown instanceof StreamKitError ? thrown.code : 'internal';
      return { response: await cors.share(request, response), code };
    }
  };

  return async (request) => {
    const segments = request.path.split('/');
    // A slash at the end makes no other resource.
    if (segments.length > 2 && segments[1] !== '' && segments.at(-1) === '') segments.pop();
    const route = routes.find((candidate) => matches(candidate.segments, segments));
    if (route === undefined) return undefined;
    const startedAtMs = performance.now();
    const { response, code } = await answer(request, route, segments);
    onAnswered?.({
      route: route.path,
      method: REQUEST_METHODS.find((known) => known === request.method) ?? 'other',
      status: response.status,
      code,
      durationMs: performance.now() - startedAtMs,
    });
    return response;
  };
}

interface Answer {
  readonly response: HttpResponse;
  /** Of the error, where it is one. */
  readonly code?: ErrorCode;
}

interface Route extends Pick<RequestHandlerParameters, 'authorize'> {
  readonly path: string;
  readonly segments: readonly string[];
  readonly methods: Omit<RouteMethods, 'OPTIONS'>;
  readonly allow: string;
  readonly toldHeaders: RouteMethods['OPTIONS'];
}

/** Who calls where nobody is asked. */
const ANYBODY: Caller = { key: '', id: undefined, role: 'viewer', limits: {}, context: undefined };

function routesOf(given: Readonly<Record<string, RouteMethods>>, authorize: Authorize): Route[] {
  return Object.entries(given).map(([path, { OPTIONS: toldHeaders, ...methods }]) => ({
    path,
    segments: path.split('/'),
    methods,
    allow: allowed(methods),
    toldHeaders,
    authorize,
  }));
}

function matches(pattern: readonly string[], segments: readonly string[]): boolean {
  return (
    pattern.length === segments.length &&
    pattern.every((part, index) => (part.startsWith(':') ? segments[index] !== '' : part === segments[index]))
  );
}

function namedSegments(pattern: readonly string[], segments: readonly string[]): Record<string, string> {
  const entries = pattern.flatMap((part, index): [string, string][] =>
    part.startsWith(':') ? [[part.slice(1), segments[index] ?? '']] : [],
  );
  return Object.fromEntries(entries);
}

function allowed(handlers: Omit<RouteMethods, 'OPTIONS'>): string {
  const names = Object.keys(handlers).flatMap((name) => (name === 'GET' ? ['GET', 'HEAD'] : [name]));
  return [...names, 'OPTIONS'].join(', ');
}
