import type { TLSSocket } from 'node:tls';

import type {
  StreamKitWebEnded,
  StreamKitWebReceived,
  StreamKitWebSession,
  StreamKitWebUpdated,
} from '../protocol/stream-kit-web.js';
import type { Clock } from '../base/clock.js';
import { StreamKitError } from '../base/errors.js';
import { expectation, isPlainObject } from '../options/option-checks.js';
import type { ResolvedStreamKitWebOptions } from '../options/stream-kit-web-options.js';
import type { IceServerSource } from '../session/ice-server-source.js';
import { checkJson, MAX_PAGE_STATE_BYTES } from '../session/json-bytes.js';
import type { SessionRegistry } from '../session/session-registry.js';
import type { StreamKitSessions } from '../session/stream-kit-sessions.js';
import type { CallerRates } from './caller-rates.js';
import type { CallerSeats } from './caller-seats.js';
import type { HttpRequest } from './http-message.js';
import { jsonResponse } from './http-message.js';
import { serverOrigin } from './request-origin.js';
import type { RouteCall, HandlersOf } from './route-handler.js';
import { jsonObject, translateRenderOptions } from './stream-kit-web-request.js';
import type { StreamKitWebTickets } from './stream-kit-web-tickets.js';

export interface StreamKitWebRoutesParameters {
  readonly options: ResolvedStreamKitWebOptions;
  readonly registry: SessionRegistry;
  readonly sessions: StreamKitSessions;
  readonly tickets: StreamKitWebTickets;
  readonly iceServers: IceServerSource;
  readonly rates: CallerRates;
  readonly seats: CallerSeats;
  readonly trustProxy: number;
  readonly clock: Clock;
}

/** The routes that the clients stream-kit-web and stream-kit-react use, over the same sessions as all others. */
export function streamKitWebRoutes(
  parameters: StreamKitWebRoutesParameters,
): HandlersOf<
  'createWebSession' | 'updateWebSession' | 'endWebSession' | 'sendWebInput' | 'openWebSignaling'
> {
  const { registry, sessions, rates, clock } = parameters;
  return {
    createWebSession: async (call) => jsonResponse(201, await createSession(call, parameters)),
    updateWebSession: async ({ request, streamId, caller }) => {
      const page = registry.page(streamId);
      const { renderOptions, sceneData } = jsonObject(await request.readJson());
      const current = page.state.metadata.video ?? undefined;
      const change = translateRenderOptions(renderOptions, caller.limits, current);
      // What is refused changes nothing: the page gets its state when all the rest is done.
      if (sceneData !== undefined) checkJson(sceneData, 'sceneData', MAX_PAGE_STATE_BYTES);
      const given = { renderOptions, sceneData };
      const applied = (['renderOptions', 'sceneData'] as const).filter((name) => given[name] !== undefined);
      const reconfigured =
        renderOptions === undefined ? undefined : await page.reconfigure(change, caller.limits);
      if (sceneData !== undefined) page.setPageState(sceneData);
      if (reconfigured === undefined) {
        return jsonResponse(200, { accepted: true, applied } satisfies StreamKitWebUpdated);
      }
      const { frameRate, ...rest } = reconfigured;
      const effective = { ...rest, targetFps: frameRate };
      return jsonResponse(200, { accepted: true, applied, effective } satisfies StreamKitWebUpdated);
    },
    endWebSession: async ({ streamId }) => {
      const page = registry.page(streamId);
      await sessions.get(streamId).end();
      const { durationMs, bytesSent } = page.usage;
      const ended: StreamKitWebEnded = {
        status: 'terminated',
        sessionId: streamId,
        usage: {
          duration: durationMs / 1000,
          dataTransferred: bytesSent,
          renderUnitTime: durationMs / 60_000,
        },
      };
      return jsonResponse(200, ended);
    },
    sendWebInput: async ({ request, streamId, caller }) => {
      const startedAtUs = clock.nowUs();
      await rates.takeSignal(caller);
      const page = registry.page(streamId);
      const { type, data } = jsonObject(await request.readJson());
      if (type !== 'interaction' && type !== 'command') {
        throw new StreamKitError('bad_request', expectation('interaction or command', 'type', type));
      }
      if (!isPlainObject(data)) {
        throw new StreamKitError('bad_request', expectation('object', 'data', data));
      }
      page.touch();
      page.message({ type, data });
      const received: StreamKitWebReceived = {
        received: true,
        timestamp: Math.round(clock.wallMs()),
        latency: (clock.nowUs() - startedAtUs) / 1000,
      };
      return jsonResponse(200, received);
    },
    openWebSignaling: () => {
      const headers = { Upgrade: 'websocket', Connection: 'Upgrade' };
      throw new StreamKitError('upgrade_required', 'Expected an upgrade to WebSocket', { headers });
    },
  };
}

async function createSession(
  { request, caller }: RouteCall,
  parameters: StreamKitWebRoutesParameters,
): Promise<StreamKitWebSession> {
  const { registry, sessions, rates, seats, tickets, iceServers } = parameters;
  const isGone = (): boolean => request.aborted;
  // Before the body is read: a caller that would be refused anyway does not get to fill memory.
  registry.checkMayCreate(caller);
  rates.checkSession(caller);
  const { renderUrl, renderOptions, initialData } = jsonObject(await request.readJson());
  const base = signalingBase(request, parameters);
  const translated = {
    targetUrl: renderUrl,
    renderOptions: translateRenderOptions(renderOptions, caller.limits),
    initialData,
  };
  const prepared = sessions.prepare(translated, caller);
  if (isGone()) throw new StreamKitError('bad_request', 'The request was aborted');
  await rates.takeSession(caller);
  const release = await seats.hold('sessions', caller);
  const session = await prepared.start(isGone).finally(() => release());
  const { streamId } = session;
  const { viewer } = await iceServers.finder(streamId, caller)();
  if (isGone()) {
    sessions.discard(session);
    throw new StreamKitError('bad_request', 'The request was aborted');
  }
  return {
    sessionId: streamId,
    status: 'initializing',
    signalingUrl: `${base}/session/${streamId}/signaling?ticket=${tickets.issue(streamId, caller)}`,
    iceServers: viewer,
  };
}

/** Where WebSockets reach the router. @throws StreamKitError `bad_request`. */
function signalingBase(
  request: HttpRequest,
  { options, trustProxy }: Pick<StreamKitWebRoutesParameters, 'options' | 'trustProxy'>,
): string {
  if (options.publicUrl !== undefined) return options.publicUrl.replace(/^http/, 'ws');
  const { native, headers, prefix } = request;
  const isEncrypted =
    native instanceof Request
      ? native.url.startsWith('https:')
      : (native.socket as Partial<TLSSocket> | undefined)?.encrypted === true;
  const origin = serverOrigin(headers, isEncrypted, trustProxy);
  if (origin === undefined) throw new StreamKitError('bad_request', 'Expected a host in the header Host');
  return `${origin.replace(/^http/, 'ws')}${prefix}`;
}
