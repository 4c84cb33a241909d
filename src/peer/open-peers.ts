import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/logger.js';
import type { MediaPlane } from '../fanout/media-plane.js';
import type { ResolvedOptions } from '../options/stream-kit-options.js';
import { createAnsweringPeerFactory } from './answering-peer.js';
import type { OpenAnsweringPeer, OpenViewerPeer } from './viewer-peer.js';
import { createViewerPeerFactory } from './werift/werift-viewer-peer.js';

/** The options of the room. */
export type PeersOptions = Pick<ResolvedOptions, 'announcedAddresses' | 'lipSync' | 'listenAddress'>;

export interface PeersParts {
  readonly mediaPlane: MediaPlane;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What opens the peers of viewers. */
export interface Peers {
  readonly openViewerPeer: OpenViewerPeer;
  readonly openAnsweringPeer: OpenAnsweringPeer;
}

export function openPeers(options: PeersOptions, { mediaPlane, clock, logger }: PeersParts): Peers {
  const { listenAddress, announcedAddresses } = options;
  const { holdsPictures } = options.lipSync;
  const openViewerPeer = createViewerPeerFactory({
    ...{ mediaPlane, logger, clock },
    ...{ listenAddress, announcedAddresses, holdsPictures },
  });
  return { openViewerPeer, openAnsweringPeer: createAnsweringPeerFactory(openViewerPeer, clock) };
}
