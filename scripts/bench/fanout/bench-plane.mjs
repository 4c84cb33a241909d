// The product's own planes and peers, as its router puts them together.
import { systemClock as clock } from '../../../dist/base/clock.js';
import { openMediaPlane } from '../../../dist/fanout/open-media-plane.js';
import { createViewerPeerFactory } from '../../../dist/peer/werift/werift-viewer-peer.js';

/**
 * @param mediaPlane - "native" or "werift".
 * @param sendThreads - of the native plane.
 */
export function openBenchPlane({ mediaPlane, sendThreads = 1, logger }) {
  const listenAddress = '127.0.0.1';
  const plane = openMediaPlane({
    mediaPlane,
    udpPort: 0,
    mediaThreads: sendThreads,
    listenAddress,
    clock,
    logger,
  });
  const openPeer = createViewerPeerFactory({
    mediaPlane: plane,
    logger,
    listenAddress,
    announcedAddresses: [],
    holdsPictures: true,
    clock,
  });
  return { plane, openPeer };
}
