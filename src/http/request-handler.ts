import type { Clock } from '../base/clock.js';
import type { ErrorCode } from '../base/errors.js';
import { StreamKitError } from '../base/errors.js';
import { NoRoomError } from '../base/no-room-error.js';
import { ROUTES } from '../protocol/routes.js';
import type { RouteDefinition, RouteMethod } from '../protocol/route-definition.js';
import type { ConfigurableRoute, RouteName } from '../protocol/routes.js';
import type { Caller } from '../session/caller.js';
import type { Authorize, CheckRight } from './authorization.js';
import type { CallerRates } from './caller-rates.js';
import type { CorsPolicy } from './cors-policy.js';
import { errorResponse } from './error-response.js';
import type { HttpRequest, HttpResponse } from './http-message.js';
import { emptyResponse } from './http-message.js';
import type { PassedCaller, PeerNodes } from './peer-nodes.js';
import { NO_ROOM_HEADER } from './peer-nodes.js';
import type { RouteHandler, RouteHandlers } from './route-handler.js';

export interface RequestHandlerParameters {
  readonly handlers: RouteHandlers;
  /** Paths below the base path that options have set. */
  readonly paths?: Readonly<Partial<Record<ConfigurableRoute, string>>>;
  readonly authorize: Authorize;
  /** Undefined: this node is alone. */
  readonly peers?: Pick<PeerNodes, 'passedCaller' | 'answer' | 'checkHere' | 'whenCertain'> | undefined;
  /** Of a caller whom another node has looked at. */
  readonly checkRight?: CheckRight | undefined;
  readonly rates: Pick<CallerRates, 'openRequest'>;
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
  const { onAnswered, authorize, cors, rates, peers, checkRight } = parameters;
  const paths = pathsOf(parameters.handlers, parameters.paths ?? {});

  const answer = async (
    request: HttpRequest,
    path: RoutePath,
    segments: readonly string[],
  ): Promise<Answer> => {
    const named = namedSegments(path.segments, segments);
    const { streamId = '' } = named;
    const { methods, allow, optionsHeaders } = path;
    // Not validated: a preflight never carries credentials, and this tells nothing that the protocol does not.
    if (request.method === 'OPTIONS') {
      const response = emptyResponse(204, { Allow: allow, ...optionsHeaders });
      return { response: await cors.sharePreflight(request, response, allow) };
    }
    let caller: Caller | undefined;
    let passed: PassedCaller | undefined;
    try {
      const method = request.method === 'HEAD' ? 'GET' : request.method;
      const route = methods.get(method as RouteMethod);
      if (route === undefined) {
        const headers = { Allow: allow };
        throw new StreamKitError('method_not_allowed', `Expected one of the methods ${allow}`, { headers });
      }
      const target = { streamId, route: route.definition };
      // Nothing else that such a request has counts: a signature that is not good gets nothing.
      passed = peers?.passedCaller(request);
      if (passed === undefined) caller = await authorize(request, target);
      else {
        caller = passed.caller;
        checkRight?.(caller, target);
      }
      await peers?.whenCertain();
      if (passed !== undefined) peers?.checkHere(streamId);
      // What probes a container is not counted.
      const done = route.definition.right === 'none' ? undefined : rates.openRequest(caller);
      let response: HttpResponse;
      try {
        const call = { streamId, segments: named, caller };
        const answerHere = async (given: HttpRequest): Promise<HttpResponse> =>
          await route.handler({ ...call, request: given });
        // A request that was passed on is never passed on again.
        if (passed !== undefined) response = await answerHere(withPrefix(request, passed.prefix));
        else if (peers === undefined || route.definition.right === 'none')
          response = await answerHere(request);
        else response = await peers.answer({ ...call, request }, route.name, answerHere);
      } finally {
        done?.();
      }
      return { response: await cors.share(request, response) };
    } catch (thrown) {
      const response = errorResponse(thrown);
      if (response.status === 500) {
        parameters.onServerError(thrown, streamId === '' ? undefined : streamId, caller);
      }
      const code = thrown instanceof StreamKitError ? thrown.code : 'internal';
      const mark = passed !== undefined && thrown instanceof NoRoomError ? { [NO_ROOM_HEADER]: '1' } : {};
      const marked = { ...response, headers: { ...response.headers, ...mark } };
      return { response: await cors.share(request, marked), code };
    }
  };

  return async (request) => {
    const segments = request.path.split('/');
    // A slash at the end makes no other resource.
    if (segments.length > 2 && segments[1] !== '' && segments.at(-1) === '') segments.pop();
    const path = paths.find((candidate) => matches(candidate.segments, segments));
    if (path === undefined) return undefined;
    const startedAtMs = performance.now();
    const { response, code } = await answer(request, path, segments);
    onAnswered?.({
      route: path.path,
      method: REQUEST_METHODS.find((known) => known === request.method) ?? 'other',
      status: response.status,
      code,
      durationMs: performance.now() - startedAtMs,
    });
    return response;
  };
}

/** The same request, with links for the client of another node. */
function withPrefix(request: HttpRequest, prefix: string): HttpRequest {
  return Object.create(request, { prefix: { value: prefix } }) as HttpRequest;
}

interface Answer {
  readonly response: HttpResponse;
  /** Of the error, where it is one. */
  readonly code?: ErrorCode;
}

/** The routes of one path. */
interface RoutePath {
  readonly path: string;
  readonly segments: readonly string[];
  readonly methods: ReadonlyMap<
    RouteMethod,
    { name: RouteName; definition: RouteDefinition; handler: RouteHandler }
  >;
  readonly allow: string;
  readonly optionsHeaders: Readonly<Record<string, string>>;
}

/** Paths without a parameter come first: they have no session in them, and `/:streamId` would match them too. */
function pathsOf(
  handlers: RouteHandlers,
  configured: Readonly<Partial<Record<RouteName, string>>>,
): RoutePath[] {
  const all = (Object.entries(ROUTES) as [RouteName, RouteDefinition][]).flatMap(([name, definition]) => {
    const handler = handlers[name];
    return handler === undefined
      ? []
      : [{ name, path: configured[name] ?? definition.path, definition, handler }];
  });
  const first = all.filter(({ path }) => !path.includes(':'));
  const paths = new Set([...first, ...all].map(({ path }) => path));
  return [...paths].map((path) => {
    const routes = all.filter((route) => route.path === path);
    const methods = new Map(routes.map((route) => [route.definition.method, route] as const));
    const headers = routes.flatMap(({ definition }) => Object.entries(definition.optionsHeaders ?? {}));
    const optionsHeaders = Object.fromEntries(headers);
    return { path, segments: path.split('/'), methods, allow: allowed(methods.keys()), optionsHeaders };
  });
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

function allowed(methods: Iterable<RouteMethod>): string {
  const names = [...methods].flatMap((name) => (name === 'GET' ? ['GET', 'HEAD'] : [name]));
  return [...names, 'OPTIONS'].join(', ');
}
