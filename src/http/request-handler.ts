import type { Clock } from '../clock.js';
import type { ErrorCode } from '../errors.js';
import { StreamKitError } from '../errors.js';
import type { ResolvedOptions } from '../options.js';
import { authorize } from './authorization.js';
import { errorResponse } from './error-response.js';
import type { HttpRequest, HttpResponse } from './http-message.js';
import { emptyResponse } from './http-message.js';
import type { RouteMethods } from './session-routes.js';

export interface RequestHandlerParameters<TEnv> {
  /** By path below the base path; a segment with a colon stands for any one. */
  readonly routes: Readonly<Record<string, RouteMethods>>;
  /** The same, but `validateRequest` is not asked. They are looked at first. */
  readonly openRoutes?: Readonly<Record<string, RouteMethods>>;
  readonly options: Pick<ResolvedOptions<TEnv>, 'getEnv' | 'validateRequest'>;
  /** An answer of status 500 was given. */
  onServerError(thrown: unknown, streamId: string | undefined): void;
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

export function createRequestHandler<TEnv>(parameters: RequestHandlerParameters<TEnv>): RequestHandler {
  const { openRoutes = {}, onAnswered } = parameters;
  const routesOf = (given: Readonly<Record<string, RouteMethods>>, open: boolean): Route[] =>
    Object.entries(given).map(([path, methods]) => ({ path, segments: path.split('/'), methods, open }));
  const routes = [...routesOf(openRoutes, true), ...routesOf(parameters.routes, false)];

  return async (request) => {
    const segments = request.path.split('/');
    // A slash at the end makes no other resource.
    if (segments.length > 2 && segments[1] !== '' && segments.at(-1) === '') segments.pop();
    const route = routes.find((candidate) => matches(candidate.segments, segments));
    if (route === undefined) return undefined;
    const named = namedSegments(route.segments, segments);
    const { streamId = '' } = named;
    const startedAtMs = performance.now();
    const answered = (response: HttpResponse, code?: ErrorCode): HttpResponse => {
      onAnswered?.({
        route: route.path,
        method: REQUEST_METHODS.find((known) => known === request.method) ?? 'other',
        status: response.status,
        code,
        durationMs: performance.now() - startedAtMs,
      });
      return response;
    };
    try {
      return answered(await answer(request, streamId, named, route, parameters));
    } catch (thrown) {
      const response = errorResponse(thrown);
      if (response.status === 500) parameters.onServerError(thrown, streamId === '' ? undefined : streamId);
      return answered(response, thrown instanceof StreamKitError ? thrown.code : 'internal');
    }
  };
}

interface Route {
  readonly path: string;
  readonly segments: readonly string[];
  readonly methods: RouteMethods;
  readonly open: boolean;
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

async function answer<TEnv>(
  request: HttpRequest,
  streamId: string,
  segments: Readonly<Record<string, string>>,
  { methods, open }: Route,
  { options }: RequestHandlerParameters<TEnv>,
): Promise<HttpResponse> {
  const { OPTIONS: toldHeaders, ...handlers } = methods;
  const allow = allowed(handlers);
  // Not validated: a preflight never carries credentials, and this tells nothing that the protocol does not.
  if (request.method === 'OPTIONS') return emptyResponse(204, { Allow: allow, ...toldHeaders });
  const method = request.method === 'HEAD' ? 'GET' : request.method;
  const handler = Object.entries(handlers).find(([name]) => name === method)?.[1];
  if (handler === undefined) {
    const headers = { Allow: allow };
    throw new StreamKitError('method_not_allowed', `Expected one of the methods ${allow}`, { headers });
  }
  const caller = open ? undefined : await authorize(request, options);
  return handler({ request, streamId, segments, caller });
}

function allowed(handlers: Omit<RouteMethods, 'OPTIONS'>): string {
  const names = Object.keys(handlers).flatMap((name) => (name === 'GET' ? ['GET', 'HEAD'] : [name]));
  return [...names, 'OPTIONS'].join(', ');
}
