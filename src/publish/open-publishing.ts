import type { Clock } from '../base/clock.js';
import { StreamKitError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { EgressClient } from '../egress/egress-client.js';
import type { IceServerOption } from '../options/ice-server-options.js';
import type { ResolvedPublicationOptions } from '../options/publication-options.js';
import type { OpenViewerPeer } from '../peer/viewer-peer.js';
import { permittedServers } from './permitted-ice-servers.js';
import { Publication, type PublicationListener, type PublicationParameters } from './publication.js';
import { WhipEndpoint, type WhipTarget } from './whip-endpoint.js';

export interface PublishingParts {
  readonly openPeer: OpenViewerPeer;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What one publication is made of. */
export type PublicationRequestOf<Share> = Pick<
  PublicationParameters<Share>,
  'peer' | 'findIceServers' | 'attach' | 'logger'
> & { readonly target: WhipTarget };

/** What publishes sessions. */
export interface Publishing {
  /** Most of one session at a time. */
  readonly maxPerSession: number;
  /** Makes one, which has yet to be started. @throws StreamKitError `bad_target_url` for what is refused without being tried. */
  open<Share extends { close(): void }>(
    request: PublicationRequestOf<Share>,
    listener: PublicationListener,
  ): Publication<Share>;
}

/** Undefined: nothing is published. */
export function openPublishing(
  options: ResolvedPublicationOptions | undefined,
  { openPeer, clock, logger }: PublishingParts,
): Publishing | undefined {
  if (options === undefined) return undefined;
  const { targets, maxPerSession, maxAttempts } = options;
  const client = new EgressClient(targets, logger);
  return {
    maxPerSession,
    open: ({ target, ...request }, listener) => {
      try {
        client.check(target.url);
      } catch (cause) {
        throw new StreamKitError('bad_target_url', 'The server may not publish to this URL', { cause });
      }
      const endpoint = new WhipEndpoint(client, target, clock);
      const permitIceServers = (named: readonly IceServerOption[]) => permittedServers(named, client, clock);
      return new Publication(
        { ...request, ...{ endpoint, openPeer, clock, maxAttempts, permitIceServers }, random: Math.random },
        listener,
      );
    },
  };
}
