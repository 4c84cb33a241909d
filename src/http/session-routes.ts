import type { Logger } from '../base/logger.js';
import { StreamKitError } from '../base/errors.js';
import { expectation, isPlainObject } from '../options/option-checks.js';
import type { Caller } from '../session/caller.js';
import { callerBindings } from '../session/caller.js';
import type { RenderOptionDefaults } from '../session/render-options.js';
import { codecsToOffer } from '../session/render-options.js';
import type { IceServerSource } from '../session/ice-server-source.js';
import { customSignal } from '../session/server-sent-event.js';
import type { StreamSession } from '../session/stream-session.js';
import type { TerminalRequest } from '../session/terminal-request.js';
import { asksForTerminal, parseTerminalRequest } from '../session/terminal-request.js';
import type { Session } from '../session/session.js';
import type { SessionRegistry } from '../session/session-registry.js';
import type { SessionRequest } from '../session/session-request.js';
import { parseSessionRequest } from '../session/session-request.js';
import type { TargetPolicy } from '../options/target-policy-options.js';
import type { ResolvedTerminalOptions } from '../options/terminal-options.js';
import { prefersEventStream } from './accept-header.js';
import type { CallerRates } from './caller-rates.js';
import type { HttpRequest, HttpResponse } from './http-message.js';
import { emptyResponse, eventStreamResponse, jsonResponse } from './http-message.js';
import { parseEventStreamQuery, parseSnapshotQuery } from './session-query.js';

/** What a route gets to know of a request. */
export interface RouteCall {
  readonly request: HttpRequest;
  /** Empty for the route that has none. */
  readonly streamId: string;
  /** What the route's other segments with a colon stand for, by name. Hostile, like all of the path. */
  readonly segments: Readonly<Record<string, string>>;
  readonly caller: Caller;
}

type RouteHandler = (call: RouteCall) => Promise<HttpResponse> | HttpResponse;

/** The handlers of one path, by method. HEAD is answered where GET is, OPTIONS everywhere. */
export type RouteMethods = Readonly<Partial<Record<'GET' | 'POST' | 'PATCH' | 'DELETE', RouteHandler>>> & {
  /** Headers that OPTIONS answers besides `Allow`. */
  readonly OPTIONS?: Readonly<Record<string, string>>;
};

export interface SessionRoutesParameters {
  readonly registry: SessionRegistry;
  readonly defaults: RenderOptionDefaults;
  readonly targetPolicy: TargetPolicy;
  /** Undefined: there are none. */
  readonly terminal: ResolvedTerminalOptions | undefined;
  readonly iceServers: IceServerSource;
  readonly rates: CallerRates;
  readonly logger: Logger;
}

/** The routes of sessions, by path below the base path. A segment with a colon stands for any one. */
export function sessionRoutes(parameters: SessionRoutesParameters): Readonly<Record<string, RouteMethods>> {
  const { registry, rates } = parameters;
  const touched = (streamId: string): Session => {
    const session = registry.page(streamId);
    session.touch();
    return session;
  };
  const opened = async ({ streamId, caller }: RouteCall): Promise<StreamSession> => {
    const session = await registry.open(streamId, caller);
    session.touch();
    return session;
  };
  return {
    '/': { POST: (call) => createSession(call, parameters) },
    '/:streamId': {
      GET: async (call) => jsonResponse(200, (await opened(call)).state),
      DELETE: async ({ streamId }) => {
        await registry.delete(streamId);
        return emptyResponse(204);
      },
    },
    '/:streamId/restart': {
      POST: ({ streamId }) => {
        registry.page(streamId).restart();
        return emptyResponse(202);
      },
    },
    // Whoever only looks on does not keep a session alive.
    '/:streamId/diagnostics': {
      GET: ({ streamId }) => jsonResponse(200, registry.page(streamId).diagnostics),
    },
    '/:streamId/sse': { GET: async (call) => eventStream(call, parameters, await opened(call)) },
    '/:streamId/signal': {
      POST: (call) => {
        rates.takeSignal(call.caller);
        return signal(call, touched(call.streamId));
      },
    },
    '/:streamId/stream': {
      GET: () => {
        const headers = { Upgrade: 'websocket', Connection: 'Upgrade' };
        throw new StreamKitError('upgrade_required', 'Expected an upgrade to WebSocket', { headers });
      },
    },
    '/:streamId/snapshot': { GET: ({ request, streamId }) => snapshot(request, touched(streamId)) },
  };
}

async function createSession(call: RouteCall, parameters: SessionRoutesParameters): Promise<HttpResponse> {
  const { request, caller } = call;
  const { registry, rates, targetPolicy, logger } = parameters;
  const defaults = { ...parameters.defaults, limits: caller.limits };
  const wantsEvents = prefersEventStream(request.headers.accept);
  const body = await request.readJson();
  const create = asksForTerminal(body)
    ? prepareTerminal(parseTerminalRequest(body, parameters.terminal), parameters)
    : preparePage(parseSessionRequest(body, defaults, targetPolicy), call, parameters, wantsEvents);
  // Whatever could refuse the event stream refuses the session before it is made.
  if (wantsEvents) registry.checkMayJoin(caller);
  // Nobody would ever know the id of this session.
  if (request.aborted) throw new StreamKitError('bad_request', 'The request was aborted');
  // Late: what is no request for a session does not count as one.
  rates.takeSession(caller);
  const session = create(caller);
  const { streamId } = session;
  logger.info({ streamId, ...callerBindings(caller) }, 'session created');
  if (wantsEvents) return eventStream(call, parameters, session, customSignal('session', { streamId }));
  const location = `${request.prefix}/${streamId}`;
  return jsonResponse(201, { streamId, initialState: session.state }, { Location: location });
}

function preparePage(
  sessionRequest: SessionRequest,
  { request }: RouteCall,
  { registry }: SessionRoutesParameters,
  wantsEvents: boolean,
): (caller: Caller) => StreamSession {
  if (wantsEvents) {
    const { videoCodec } = parseEventStreamQuery(request.query);
    codecsToOffer(sessionRequest.renderOptions.videoCodec, videoCodec);
  }
  return (caller) => registry.create(sessionRequest, caller);
}

function prepareTerminal(
  terminalRequest: TerminalRequest,
  { registry }: SessionRoutesParameters,
): (caller: Caller) => StreamSession {
  return (caller) => registry.createTerminal(terminalRequest, caller);
}

async function eventStream(
  { request, caller }: RouteCall,
  { registry, iceServers }: SessionRoutesParameters,
  session: StreamSession,
  preamble?: Uint8Array,
): Promise<HttpResponse> {
  const { viewerId, videoCodec, media: wantsMedia } = parseEventStreamQuery(request.query);
  const media = wantsMedia && session.hasMedia;
  // A HEAD must not make a viewer.
  if (request.method === 'HEAD') return eventStreamResponse(() => undefined);
  // To a session that was made by this very request nobody can come back.
  const returning = preamble === undefined ? viewerId : undefined;
  const viewer = registry.admit(session, { caller, viewerId: returning, videoCodec, media });
  if (media) await viewer.prepareMedia(iceServers.finder(session.streamId, caller));
  const lastEventId = parseLastEventId(request.headers['last-event-id']);
  return eventStreamResponse((sink) =>
    viewer.attach(sink, { media, lastEventId, ...(preamble === undefined ? {} : { preamble }) }),
  );
}

/** What is no number of ours is no error: the client then gets the whole document. */
function parseLastEventId(header: string | string[] | undefined): number | undefined {
  return typeof header === 'string' && /^\d{1,15}$/.test(header) ? Number(header) : undefined;
}

async function signal({ request, caller }: RouteCall, session: Session): Promise<HttpResponse> {
  const body = await request.readJson();
  if (!isPlainObject(body)) throw new StreamKitError('bad_request', expectation('JSON object', 'body', body));
  const { viewerId, type, payload } = body;
  if (typeof viewerId !== 'string') {
    // Not shown: a slip of the client may have put some other secret there.
    throw new StreamKitError('bad_request', 'Expected string for viewerId');
  }
  if (typeof type !== 'string') {
    throw new StreamKitError('bad_request', expectation('string', 'type', type));
  }
  await session.acceptSignal(caller, viewerId, type, payload);
  return emptyResponse(204);
}

async function snapshot(request: HttpRequest, session: Session): Promise<HttpResponse> {
  const parameters = parseSnapshotQuery(request.query);
  const headers = { 'Content-Type': `image/${parameters.format}`, 'X-Content-Type-Options': 'nosniff' };
  if (request.method === 'HEAD') return emptyResponse(200, headers);
  const body = await session.snapshot(parameters);
  return { ...emptyResponse(200, headers), body };
}
