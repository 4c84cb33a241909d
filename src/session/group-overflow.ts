import type { OverflowHost, SessionOverflow } from '../overflow/session-overflow.js';
import type { SessionParts } from './session-parts.js';
import type { SessionPublications } from './session-publications.js';

export interface GroupOverflowParameters {
  readonly streamId: string;
  readonly parts: Pick<SessionParts, 'findIceServers' | 'overflow'>;
  /** Undefined: there is nothing that could be published. */
  readonly published?: {
    readonly publications: Pick<SessionPublications, 'end' | 'list' | 'start'>;
    /** What one viewer is sent at most now, bits/s. */
    readonly viewerBps: () => number;
  };
}

/** Undefined without the option `overflow`, and for what cannot be published. */
export function openGroupOverflow(
  { streamId, parts, published }: GroupOverflowParameters,
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
        // Another server finds out for itself whether it has to publish.
        return publications.start(request, async () => (await find?.())?.server ?? [], false).publicationId;
      },
      statusOf: (publicationId) =>
        publications.list().find((publication) => publication.publicationId === publicationId)?.status,
      // Its owner may have ended it.
      end: (publicationId) => publications.end(publicationId).catch(() => undefined),
    },
  });
}
