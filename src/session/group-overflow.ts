import type { OverflowHost, SessionOverflow } from '../overflow/session-overflow.js';
import type { ViewerGroupParameters } from './viewer-group.js';

/** Undefined without the option `overflow`, and for what cannot be published. */
export function openGroupOverflow(
  { streamId, parts, published }: ViewerGroupParameters,
  host: Pick<OverflowHost, 'load' | 'whenLive'>,
): SessionOverflow | undefined {
  if (published === undefined) return undefined;
  const { publications, viewerBps } = published;
  return parts.overflow?.open({
    ...host,
    streamId,
    viewerBps,
    publisher: {
      start: (request) => {
        const find = parts.findIceServers?.(streamId);
        return publications.start(request, async () => (await find?.())?.server ?? []).publicationId;
      },
      statusOf: (publicationId) =>
        publications.list().find((publication) => publication.publicationId === publicationId)?.status,
      // Its owner may have ended it.
      end: (publicationId) => publications.end(publicationId).catch(() => undefined),
    },
  });
}
