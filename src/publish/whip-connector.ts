import type { Clock } from '../base/clock.js';
import type { IceServerOption } from '../options/ice-server-options.js';
import type { ConnectedMedia, OpenViewerPeer, ViewerPeerParameters } from '../peer/viewer-peer.js';
import type { OpenConnection } from './publication.js';
import { WhipConnection } from './whip-connection.js';
import type { WhipEndpoint } from './whip-endpoint.js';

export interface WhipConnectorParameters<Share> {
  readonly endpoint: Pick<WhipEndpoint, 'publish'>;
  readonly openPeer: OpenViewerPeer;
  /** For each attempt anew: which codec is encoded may change. */
  readonly peer: () => Omit<ViewerPeerParameters, 'iceServers'>;
  /** Those of our own, for each attempt anew: their credentials expire. Never rejects. */
  readonly findIceServers: () => Promise<readonly IceServerOption[]>;
  /** Of the servers that an endpoint names, those that may be used. Never rejects. */
  readonly permitIceServers: (named: readonly IceServerOption[]) => Promise<readonly IceServerOption[]>;
  /** Begins to send. @throws if that cannot be. */
  readonly attach: (media: ConnectedMedia) => Share;
  readonly clock: Clock;
}

/** Prepares the connections of one publication by WHIP, one after the other. */
export class WhipConnector<Share> {
  readonly #parameters: WhipConnectorParameters<Share>;
  /** What the endpoint named last: they come with its answer, too late for the offer that it answers. */
  #namedIceServers: readonly IceServerOption[] = [];

  constructor(parameters: WhipConnectorParameters<Share>) {
    this.#parameters = parameters;
  }

  /** Finds the ICE servers of the next one. */
  async prepare(): Promise<OpenConnection<Share>> {
    const { findIceServers, permitIceServers, peer, openPeer, endpoint, attach, clock } = this.#parameters;
    const [own, named] = await Promise.all([findIceServers(), permitIceServers(this.#namedIceServers)]);
    return (listener, hurry) =>
      new WhipConnection(
        { openPeer, endpoint, clock, hurry, peer: { ...peer(), iceServers: [...named, ...own] } },
        {
          onResource: ({ iceServers }) => void (this.#namedIceServers = iceServers),
          onConnected: (media) => listener.onConnected(() => attach(forwarded(media))),
          onFailed: (failure) => listener.onFailed(failure),
        },
      );
  }
}

/** The endpoint sends it on to others. */
function forwarded({ video, layers, ...others }: ConnectedMedia): ConnectedMedia {
  return {
    ...others,
    video: { ...video, forwarded: true },
    ...(layers === undefined ? {} : { layers: layers.map((layer) => ({ ...layer, forwarded: true })) }),
  };
}
