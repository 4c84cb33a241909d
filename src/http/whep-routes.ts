import { EXPOSED_HEADERS, SDP_FRAGMENT_TYPE, SDP_TYPE } from '../protocol/routes.js';
import { StreamKitError } from '../base/errors.js';
import type { IceServerOption, IceServers } from '../options/ice-server-options.js';
import type { Logger } from '../base/logger.js';
import { callerBindings } from '../session/caller.js';
import type { IceServerSource } from '../session/ice-server-source.js';
import type { SessionRegistry } from '../session/session-registry.js';
import type { CallerRates } from './caller-rates.js';
import type { CallerSeats } from './caller-seats.js';
import type { HttpResponse } from './http-message.js';
import { emptyResponse } from './http-message.js';
import type { RouteCall, HandlersOf } from './route-handler.js';

export interface WhepRoutesParameters {
  readonly registry: SessionRegistry;
  readonly rates: CallerRates;
  readonly seats: CallerSeats;
  readonly iceServers: IceServerSource;
  readonly logger: Logger;
}

/** The routes of players: draft-ietf-wish-whep. A player makes the offer, and has no event stream. */
export function whepRoutes(
  parameters: WhepRoutesParameters,
): HandlersOf<'probePlayers' | 'createPlayer' | 'probePlayer' | 'patchPlayer' | 'endPlayer'> {
  const { registry, rates, seats, iceServers, logger } = parameters;
  const serversFor = ({ streamId, caller }: RouteCall): Promise<IceServers> =>
    iceServers.finder(streamId, caller)();
  return {
    probePlayers: ({ streamId }) => {
      registry.page(streamId);
      return emptyResponse(204);
    },
    createPlayer: async (call) => {
      const { request, streamId, caller } = call;
      await rates.takeSignal(caller);
      await rates.takeJoin(caller);
      const session = registry.page(streamId);
      // Before the body is read.
      registry.checkMayJoin(caller);
      session.viewers.checkRoom(caller, 503);
      const offer = await request.readText(SDP_TYPE);
      if (offer === '') {
        throw new StreamKitError('unsupported_media_type', 'Expected an SDP offer: none is made here');
      }
      const servers = await serversFor(call);
      const release = await seats.hold('viewers', caller);
      const { player, answer } = await session
        .admitPlayer(caller, offer, servers.server)
        .finally(() => release());
      if (request.aborted) {
        // Nobody would ever know where to end it.
        await session.viewers.dismiss(player);
        throw new StreamKitError('bad_request', 'The request was aborted');
      }
      logger.info({ ...player.viewer.log.logContext, ...callerBindings(caller) }, 'player joined');
      return textResponse(201, SDP_TYPE, answer, {
        Location: `${request.prefix}/${streamId}/whep/${player.viewer.id}`,
        ETag: player.entityTag,
        ...linkHeader(servers),
      });
    },
    probePlayer: (call) => {
      playerOf(call);
      return emptyResponse(204);
    },
    patchPlayer: async (call) => {
      await rates.takeSignal(call.caller);
      const { player } = playerOf(call);
      const { request } = call;
      const fragment = await request.readText(SDP_FRAGMENT_TYPE);
      const restart = await player.patch(fragment, request.headers['if-match']);
      if (restart === undefined) return emptyResponse(204);
      const links = linkHeader(await serversFor(call));
      return textResponse(200, SDP_FRAGMENT_TYPE, restart.fragment, { ETag: restart.entityTag, ...links });
    },
    endPlayer: async (call) => {
      const { session, player } = playerOf(call);
      await session.viewers.dismiss(player);
      return emptyResponse(200, { 'Content-Length': '0' });
    },
  };

  function playerOf({ streamId, segments, caller }: RouteCall) {
    const session = registry.page(streamId);
    return { session, player: session.player(caller, segments.playerId ?? '') };
  }
}

function textResponse(
  status: number,
  type: string,
  body: string,
  headers: Readonly<Record<string, string>>,
): HttpResponse {
  const own = { 'Content-Type': type, 'X-Content-Type-Options': 'nosniff', ...EXPOSED_HEADERS };
  return { ...emptyResponse(status, { ...own, ...headers }), body };
}

function linkHeader({ viewer }: IceServers): Record<string, string> {
  const links = iceServerLinks(viewer);
  return links === '' ? {} : { Link: links };
}

/**
 * A link for each URL of a server (draft-ietf-wish-whep, of RFC 9725 section 4.6). One whose credentials are beyond what
 * a header can carry is left out.
 */
function iceServerLinks(servers: readonly IceServerOption[]): string {
  return servers
    .flatMap(({ urls, username, credential }) => {
      const parameters = ['rel="ice-server"'];
      if (username !== undefined && credential !== undefined) {
        parameters.push(
          `username=${quoted(username)}`,
          `credential=${quoted(credential)}`,
          'credential-type="password"',
        );
      }
      return [urls].flat().map((url) => `<${url}>; ${parameters.join('; ')}`);
    })
    .filter((link) => /^[\x20-\x7e]+$/.test(link))
    .join(', ');
}

/** RFC 9110 section 5.6.4. */
function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}
