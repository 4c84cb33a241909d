import type { Caller } from '../session/caller.js';
import type { EventStreamLink } from '../session/event-stream-link.js';
import { type StreamKitWebRoutesParameters, streamKitWebRoutes } from './stream-kit-web-routes.js';
import { StreamKitWebSignaling } from './stream-kit-web-signaling.js';
import { StreamKitWebTickets } from './stream-kit-web-tickets.js';
import type { WebSocketUpgradesParameters } from './websocket-upgrades.js';

export interface StreamKitWebParameters extends Omit<StreamKitWebRoutesParameters, 'tickets'> {
  readonly onServerError: (thrown: unknown, streamId: string, caller: Caller) => void;
}

/** What serves the clients stream-kit-web and stream-kit-react: their routes, and their signaling WebSocket. */
export interface StreamKitWeb {
  readonly handlers: ReturnType<typeof streamKitWebRoutes>;
  readonly signaling: NonNullable<WebSocketUpgradesParameters['webSignaling']>;
}

export function openStreamKitWeb(parameters: StreamKitWebParameters): StreamKitWeb {
  const { registry, rates, seats, iceServers, onServerError } = parameters;
  const tickets = new StreamKitWebTickets((streamId) => registry.find(streamId) !== undefined);
  return {
    handlers: streamKitWebRoutes({ ...parameters, tickets }),
    signaling: {
      callerOf: (streamId, ticket) => tickets.callerOf(streamId, ticket),
      accept: async (streamId, caller) => {
        await rates.takeJoin(caller);
        const session = registry.page(streamId);
        session.touch();
        const request = { caller, viewerId: undefined, videoCodec: undefined, media: true };
        const release = await seats.hold('viewers', caller);
        let viewer: EventStreamLink;
        try {
          viewer = registry.admit(session, request);
        } finally {
          release();
        }
        await viewer.prepareMedia(iceServers.finder(streamId, caller));
        return (socket) =>
          StreamKitWebSignaling.open(socket, {
            viewer,
            takeMessage: () => rates.takeSignalHere(caller),
            touch: () => session.touch(),
            error: () => session.error?.message,
            onServerError: (thrown) => onServerError(thrown, streamId, caller),
          });
      },
    },
  };
}
