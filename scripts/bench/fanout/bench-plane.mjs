// The product's own planes and peers, as its router puts them together.
import { systemClock as clock } from '../../../dist/clock.js';
import { createWeriftMediaPlane } from '../../../dist/fanout/werift-media-plane.js';
import { createViewerPeerFactory } from '../../../dist/peer/werift-viewer-peer.js';

export async function openBenchPlane({ logger }) {
  const plane = createWeriftMediaPlane({ clock, logger });
  const openPeer = createViewerPeerFactory({
    mediaPlane: plane,
    logger,
    listenAddress: '127.0.0.1',
    announcedAddresses: [],
    lipSync: true,
    clock,
  });
  return { plane, openPeer };
}
