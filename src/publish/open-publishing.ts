import type { Clock } from '../base/clock.js';
import { StreamKitError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { EgressClient } from '../egress/egress-client.js';
import type { IceServerOption } from '../options/ice-server-options.js';
import type { ResolvedPublicationOptions } from '../options/publication-options.js';
import type { OpenViewerPeer } from '../peer/viewer-peer.js';
import { isPushUrl } from '../protocol/publications.js';
import type { OpenPacketSource } from '../recording/packet-source.js';
import { permittedServers } from './permitted-ice-servers.js';
import { Publication, type PublicationListener, type PublicationParameters } from './publication.js';
import { openPushThread } from './push-connection.js';
import { PushConnector } from './push-connector.js';
import { pushTarget } from './push-target.js';
import { WhipConnector, type WhipConnectorParameters } from './whip-connector.js';
import { WhipEndpoint, type WhipTarget } from './whip-endpoint.js';

export interface PublishingParts {
  readonly openPeer: OpenViewerPeer;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What one publication is made of. */
export interface PublicationRequestOf<Share> extends Pick<
  WhipConnectorParameters<Share>,
  'peer' | 'findIceServers' | 'attach'
> {
  /** Of WHIP by its scheme, or of RTMP or SRT, which take no token. */
  readonly target: WhipTarget;
  /** What RTMP and SRT are given. */
  readonly openSource: OpenPacketSource;
  /** Instead of `attach` where there is no peer. */
  readonly attachSource: () => Share;
  readonly logger: PublicationParameters<Share>['logger'];
}

/** What publishes sessions. */
export interface Publishing {
  /** Most of one session at a time. */
  readonly maxPerSession: number;
  /**
   * Makes one, which has yet to be started.
   *
   * @throws StreamKitError `bad_target_url` for what is refused without being tried, `bad_request` for a URL of RTMP or SRT that is none.
   */
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

  function prepareWhip<Share extends { close(): void }>(
    request: PublicationRequestOf<Share>,
  ): PublicationParameters<Share>['prepare'] {
    const endpoint = new WhipEndpoint(client, request.target, clock);
    const permitIceServers = (named: readonly IceServerOption[]) => permittedServers(named, client, clock);
    const connector = new WhipConnector({ ...request, endpoint, openPeer, clock, permitIceServers });
    return () => connector.prepare();
  }

  return {
    maxPerSession,
    open: (request, listener) => {
      const { url } = request.target;
      const push = isPushUrl(url) ? pushTarget(url) : undefined;
      try {
        client.check(push?.hostUrl ?? url);
      } catch (cause) {
        throw new StreamKitError('bad_target_url', 'The server may not publish to this URL', { cause });
      }
      const retrying = { maxAttempts, clock, random: Math.random, logger: request.logger };
      if (push === undefined)
        return new Publication({ ...retrying, prepare: prepareWhip(request) }, listener);
      const { openSource, attachSource: attach } = request;
      const parts = { client, openThread: openPushThread, openSource, attach, clock };
      const connector = new PushConnector({ target: push, ...parts });
      return new Publication({ ...retrying, prepare: () => connector.prepare() }, listener);
    },
  };
}
