import type { IceServerSource } from '../session/ice-server-source.js';
import type { SessionRegistry } from '../session/session-registry.js';
import type { CallerRates } from './caller-rates.js';
import { emptyResponse, jsonResponse } from './http-message.js';
import type { HandlersOf } from './route-handler.js';

export interface PublicationRoutesParameters {
  readonly registry: SessionRegistry;
  readonly iceServers: IceServerSource;
  readonly rates: CallerRates;
}

/** The routes of publications. To read them is no use of the session: those that are live or will be keep it alive. */
export function publicationRoutes({
  registry,
  iceServers,
  rates,
}: PublicationRoutesParameters): HandlersOf<
  'listPublications' | 'createPublication' | 'readPublication' | 'endPublication'
> {
  return {
    listPublications: ({ streamId }) =>
      jsonResponse(200, { publications: registry.page(streamId).publications.list() }),
    createPublication: async ({ request, streamId, caller }) => {
      await rates.takeJoin(caller);
      const session = registry.page(streamId);
      const find = iceServers.finder(streamId, caller);
      const info = session.publications.start(await request.readJson(), async () => (await find()).server);
      const location = `${request.prefix}/${streamId}/publications/${info.publicationId}`;
      return jsonResponse(201, info, { Location: location });
    },
    readPublication: ({ streamId, segments }) =>
      jsonResponse(200, registry.page(streamId).publications.get(segments.publicationId ?? '')),
    endPublication: async ({ streamId, segments }) => {
      await registry.page(streamId).publications.end(segments.publicationId ?? '');
      return emptyResponse(204);
    },
  };
}
