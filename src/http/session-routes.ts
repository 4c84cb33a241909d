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
import type { RouteCall, RouteHandlers } from './route-handler.js';
import { parseEventStreamQuery, parseSnapshotQuery } from './session-query.js';

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

/** The routes of sessions. */
export function sessionRoutes(parameters: SessionRoutesParameters): RouteHandlers {
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
    listSessions: ({ caller }) => jsonResponse(200, { sessions: registry.list(caller) }),
    createSession: (call) => createSession(call, parameters),
    readState: async (call) => jsonResponse(200, (await opened(call)).state),
    reconfigureSession: async ({ request, streamId, caller }) => {
      const session = touched(streamId);
      return jsonResponse(200, await session.reconfigure(await request.readJson(), caller.limits));
    },
    endSession: async ({ streamId }) => {
      await registry.delete(streamId);
      return emptyResponse(204);
    },
    restartSession: ({ streamId }) => {
      registry.page(streamId).restart();
      return emptyResponse(202);
    },
    // A caller that only reads diagnostics does not keep a session alive.
    readDiagnostics: ({ streamId }) => jsonResponse(200, registry.page(streamId).diagnostics),
    openEventStream: async (call) => {
      rates.takeJoin(call.caller);
      return eventStream(call, parameters, await opened(call));
    },
    sendSignal: (call) => {
      rates.takeSignal(call.caller);
      return signal(call, touched(call.streamId));
    },
    openStream: () => {
      const headers = { Upgrade: 'websocket', Connection: 'Upgrade' };
      throw new StreamKitError('upgrade_required', 'Expected an upgrade to WebSocket', { headers });
    },
    takeSnapshot: ({ request, streamId, caller }) => {
      rates.takeSnapshot(caller);
      return snapshot(request, touched(streamId));
    },
  };
}

async function createSession(call: RouteCall, parameters: SessionRoutesParameters): Promise<HttpResponse> {
  const { request, caller } = call;
  const { registry, rates, targetPolicy, logger } = parameters;
  const defaults = { ...parameters.defaults, limits: caller.limits };
  const wantsEvents = prefersEventStream(request.headers.accept);
  // Before the body is read: a caller that would be refused anyway does not get to fill memory.
  registry.checkMayCreate(caller);
  rates.checkSession(caller);
  if (wantsEvents) registry.checkMayJoin(caller);
  const body = await request.readJson();
  const create = asksForTerminal(body)
    ? prepareTerminal(parseTerminalRequest(body, parameters.terminal), parameters)
    : preparePage(parseSessionRequest(body, defaults, targetPolicy), call, parameters, wantsEvents);
  // Whatever could refuse the event stream refuses the session before it is made.
  if (wantsEvents) registry.checkMayJoin(caller);
  // Nobody would ever know the id of this session.
  if (request.aborted) throw new StreamKitError('bad_request', 'The request was aborted');
  // Taken late: a malformed request does not count as a session.
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
  const { viewerId, videoCodec, wishes, media: wantsMedia } = parseEventStreamQuery(request.query);
  const media = wantsMedia && session.hasMedia;
  // A HEAD must not make a viewer.
  if (request.method === 'HEAD') return eventStreamResponse(() => undefined);
  // To a session that was made by this very request nobody can come back.
  const returning = preamble === undefined ? viewerId : undefined;
  const viewer = registry.admit(session, { caller, viewerId: returning, videoCodec, wishes, media });
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
