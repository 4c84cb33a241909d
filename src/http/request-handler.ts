import type { Clock } from '../clock.js';
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
  readonly options: Pick<ResolvedOptions<TEnv>, 'getEnv' | 'validateRequest'>;
  /** An answer of status 500 was given. */
  onServerError(thrown: unknown, streamId: string | undefined): void;
}

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
  const routes = Object.entries(parameters.routes).map(([path, methods]) => ({
    segments: path.split('/'),
    methods,
  }));

  return async (request) => {
    const segments = request.path.split('/');
    // A slash at the end makes no other resource.
    if (segments.length > 2 && segments[1] !== '' && segments.at(-1) === '') segments.pop();
    const route = routes.find((candidate) => matches(candidate.segments, segments));
    if (route === undefined) return undefined;
    const streamId = segments[1] ?? '';
    const named = namedSegments(route.segments, segments);
    try {
      return await answer(request, streamId, named, route.methods, parameters);
    } catch (thrown) {
      const response = errorResponse(thrown);
      if (response.status === 500) parameters.onServerError(thrown, streamId === '' ? undefined : streamId);
      return response;
    }
  };
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
  methods: RouteMethods,
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
  const caller = await authorize(request, options);
  return handler({ request, streamId, segments, caller });
}

function allowed(handlers: Omit<RouteMethods, 'OPTIONS'>): string {
  const names = Object.keys(handlers).flatMap((name) => (name === 'GET' ? ['GET', 'HEAD'] : [name]));
  return [...names, 'OPTIONS'].join(', ');
}
