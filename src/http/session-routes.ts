import type { SessionChange } from '../protocol/session-requests.js';
import type { ViewerBoundsChange } from '../protocol/viewer-bounds.js';
import { StreamKitError } from '../base/errors.js';
import { expectation, isPlainObject } from '../options/option-checks.js';
import type { EventStreamLink } from '../session/event-stream-link.js';
import type { IceServerSource } from '../session/ice-server-source.js';
import { customSignal } from '../session/server-sent-event.js';
import type { EndedSession } from '../protocol/session-usage.js';
import type { Session } from '../session/session.js';
import type { SessionRegistry } from '../session/session-registry.js';
import type { StreamKitSession } from '../session/stream-kit-session.js';
import type { StreamKitSessions } from '../session/stream-kit-sessions.js';
import type { StreamSession } from '../session/stream-session.js';
import { prefersEventStream } from './accept-header.js';
import type { CallerRates } from './caller-rates.js';
import type { CallerSeats } from './caller-seats.js';
import type { HttpRequest, HttpResponse } from './http-message.js';
import { emptyResponse, eventStreamResponse, jsonResponse } from './http-message.js';
import type { HandlersOf, RouteCall, RouteHandler } from './route-handler.js';
import { parseEventStreamQuery, parseSnapshotQuery } from './session-query.js';

export interface SessionRoutesParameters {
  readonly registry: SessionRegistry;
  readonly sessions: StreamKitSessions;
  /** The DevTools protocol is served. */
  readonly cdp: boolean;
  readonly iceServers: IceServerSource;
  readonly rates: CallerRates;
  readonly seats: CallerSeats;
  /** Lets the other nodes find a session that was made here. @throws StreamKitError `unavailable`. */
  readonly announce?: ((streamId: string) => Promise<void>) | undefined;
}

type SessionRoute =
  | 'listSessions'
  | 'createSession'
  | 'readState'
  | 'reconfigureSession'
  | 'endSession'
  | 'restartSession'
  | 'readDiagnostics'
  | 'setViewerBounds'
  | 'openEventStream'
  | 'sendSignal'
  | 'openStream'
  | 'takeSnapshot';

/** The routes of sessions. */
export function sessionRoutes(
  parameters: SessionRoutesParameters,
): HandlersOf<SessionRoute> & Readonly<Record<'openDebugger', RouteHandler | undefined>> {
  const { registry, sessions, rates } = parameters;
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
      const session = sessions.get(streamId);
      const change = (await request.readJson()) as SessionChange;
      return jsonResponse(200, await session.reconfigure(change, caller.limits));
    },
    endSession: async ({ request, streamId }) => {
      const session = sessions.get(streamId);
      await session.end();
      if (session.kind === 'terminal' || !prefersRepresentation(request.headers.prefer))
        return emptyResponse(204);
      const { usage, profile } = session;
      const ended: EndedSession = { streamId, usage, ...(profile === undefined ? {} : { profile }) };
      return jsonResponse(200, ended, { 'Preference-Applied': REPRESENTATION });
    },
    restartSession: ({ streamId }) => {
      sessions.get(streamId).restart();
      return emptyResponse(202);
    },
    // A caller that only reads diagnostics does not keep a session alive.
    readDiagnostics: ({ streamId }) => jsonResponse(200, sessions.get(streamId).diagnostics),
    setViewerBounds: async ({ request, streamId, segments }) => {
      const session = sessions.get(streamId);
      const change = (await request.readJson()) as ViewerBoundsChange;
      return jsonResponse(200, session.setViewerBounds(segments.publicId ?? '', change));
    },
    openEventStream: async (call) => {
      await rates.takeJoin(call.caller);
      return eventStream(call, parameters, await opened(call));
    },
    sendSignal: async (call) => {
      await rates.takeSignal(call.caller);
      return signal(call, touched(call.streamId), rates);
    },
    openStream: upgradeRequired,
    openDebugger: parameters.cdp ? upgradeRequired : undefined,
    takeSnapshot: async ({ request, streamId, caller }) => {
      await rates.takeSnapshot(caller);
      return snapshot(request, sessions.get(streamId));
    },
  };
}

/** What a client that wants a body asks for: RFC 7240 section 4.2. */
const REPRESENTATION = 'return=representation';

function prefersRepresentation(header: string | string[] | undefined): boolean {
  const preferences = [header ?? []].flat().flatMap((value) => value.split(','));
  return preferences.some((one) => /^\s*return\s*=\s*"?representation"?\s*(?:;|$)/i.test(one));
}

function upgradeRequired(): never {
  const headers = { Upgrade: 'websocket', Connection: 'Upgrade' };
  throw new StreamKitError('upgrade_required', 'Expected an upgrade to WebSocket', { headers });
}

async function createSession(call: RouteCall, parameters: SessionRoutesParameters): Promise<HttpResponse> {
  const { request, caller } = call;
  const { registry, sessions, rates, seats } = parameters;
  const wantsEvents = prefersEventStream(request.headers.accept);
  const isGone = (): boolean => request.aborted;
  // Before the body is read: a caller that would be refused anyway does not get to fill memory.
  registry.checkMayCreate(caller);
  rates.checkSession(caller);
  if (wantsEvents) registry.checkMayJoin(caller);
  const prepared = sessions.prepare(await request.readJson(), caller);
  // Whatever could refuse the event stream refuses the session before it is made.
  if (wantsEvents) {
    prepared.checkCodec(parseEventStreamQuery(request.query).videoCodec);
    registry.checkMayJoin(caller);
  }
  // Nobody would ever know the id of this session.
  if (isGone()) throw new StreamKitError('bad_request', 'The request was aborted');
  // Taken late: a malformed request does not count as a session.
  await rates.takeSession(caller);
  const release = await seats.hold('sessions', caller);
  let releaseViewer: (() => void) | undefined;
  let session: StreamSession;
  try {
    if (wantsEvents) releaseViewer = await seats.hold('viewers', caller);
    session = await prepared.start(isGone);
  } catch (thrown) {
    releaseViewer?.();
    throw thrown;
  } finally {
    release();
  }
  const { streamId } = session;
  try {
    await parameters.announce?.(streamId);
    if (isGone()) throw new StreamKitError('bad_request', 'The request was aborted');
    if (releaseViewer !== undefined) {
      const preamble = customSignal('session', { streamId });
      return await eventStream(call, parameters, session, { preamble, release: releaseViewer });
    }
  } catch (thrown) {
    sessions.discard(session);
    throw thrown;
  } finally {
    releaseViewer?.();
  }
  const location = `${request.prefix}/${streamId}`;
  return jsonResponse(201, { streamId, initialState: session.state }, { Location: location });
}

/** What the event stream of a session has that was made by the same request. */
interface MadeSession {
  /** Sent first. */
  readonly preamble: Uint8Array;
  /** Ends the hold of the viewer's place. Idempotent. */
  readonly release: () => void;
}

async function eventStream(
  { request, caller }: RouteCall,
  { registry, iceServers, seats }: SessionRoutesParameters,
  session: StreamSession,
  made?: MadeSession,
): Promise<HttpResponse> {
  const { viewerId, media: wantsMedia, ...asked } = parseEventStreamQuery(request.query);
  const media = wantsMedia && session.hasMedia;
  // A HEAD must not make a viewer.
  if (request.method === 'HEAD') return eventStreamResponse(() => undefined);
  // To a session that was made by this very request nobody can come back.
  const returning = made === undefined ? viewerId : undefined;
  const isKnown = returning !== undefined && session.viewers.has(returning);
  const release = made?.release ?? (isKnown ? undefined : await seats.hold('viewers', caller));
  let viewer: EventStreamLink;
  try {
    viewer = registry.admit(session, { caller, viewerId: returning, ...asked, media });
  } finally {
    release?.();
  }
  if (session.hasMedia) await viewer.prepareMedia(iceServers.finder(session.streamId, caller), media);
  const lastEventId = parseLastEventId(request.headers['last-event-id']);
  return eventStreamResponse((sink) =>
    viewer.attach(sink, { media, lastEventId, ...(made === undefined ? {} : { preamble: made.preamble }) }),
  );
}

/** What is no number of ours is no error: the client then gets the whole document. */
function parseLastEventId(header: string | string[] | undefined): number | undefined {
  return typeof header === 'string' && /^\d{1,15}$/.test(header) ? Number(header) : undefined;
}

async function signal(
  { request, caller }: RouteCall,
  session: Session,
  rates: CallerRates,
): Promise<HttpResponse> {
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
  // It costs what a join does.
  if (type === 'request_offer') await rates.takeJoin(caller);
  await session.acceptSignal(caller, viewerId, type, payload);
  return emptyResponse(204);
}

async function snapshot(request: HttpRequest, session: StreamKitSession): Promise<HttpResponse> {
  const parameters = parseSnapshotQuery(request.query);
  const headers = { 'Content-Type': `image/${parameters.format}`, 'X-Content-Type-Options': 'nosniff' };
  if (request.method === 'HEAD') return emptyResponse(200, headers);
  const body = await session.snapshot(parameters);
  return { ...emptyResponse(200, headers), body };
}
