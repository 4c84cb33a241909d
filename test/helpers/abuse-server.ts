import { createServer } from 'node:http';
import type { RequestListener, Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { systemClock } from '../../src/clock.js';
import type { MediaPlane } from '../../src/fanout/media-plane.js';
import { createWeriftMediaPlane } from '../../src/fanout/werift-media-plane.js';
import { silentLogger } from '../../src/logger.js';
import type { StreamKitOptions } from '../../src/options.js';
import { resolveOptions } from '../../src/options.js';
import { createAnsweringPeerFactory } from '../../src/peer/answering-peer.js';
import { createViewerPeerFactory } from '../../src/peer/werift-viewer-peer.js';
import type { StreamKitRouter } from '../../src/router.js';
import { composeRouter } from '../../src/router.js';
import { postJson } from './router-server.js';
import { FakeParts } from './session-fakes.js';
import { settle } from './virtual-clock.js';

/** A router whose peers, sockets and timers are real; only the page and its encoders are played. */
export interface AbuseServer {
  readonly url: string;
  readonly port: number;
  readonly parts: FakeParts;
  readonly router: StreamKitRouter;
  readonly server: Server;
  /** Errors of the server itself; there should be none. */
  readonly errors: unknown[];
  /** A session whose page is captured. */
  liveSession(): Promise<string>;
  close(): Promise<void>;
}

export async function startAbuseServer(
  options: StreamKitOptions = {},
  createPlane: () => MediaPlane = () => createWeriftMediaPlane({ clock: systemClock, logger: silentLogger }),
): Promise<AbuseServer> {
  const mediaPlane = createPlane();
  const clock = systemClock;
  const openViewerPeer = createViewerPeerFactory({
    mediaPlane,
    clock,
    logger: silentLogger,
    lipSync: false,
    listenAddress: '127.0.0.1',
  });
  const openAnsweringPeer = createAnsweringPeerFactory(openViewerPeer, clock);
  const parts = Object.assign(new FakeParts(), { mediaPlane, openViewerPeer, openAnsweringPeer });
  Object.assign(parts, { clock });
  const errors: unknown[] = [];
  const router = composeRouter(
    resolveOptions({ onError: (error) => void errors.push(error), ...options }),
    parts,
  );
  const listener: RequestListener = (request, response) => void router(request, response);
  const server = createServer(listener);
  router.attach(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  return {
    ...{ url, port, parts, router, server, errors },
    async liveSession() {
      const { json } = await postJson(url, { targetUrl: 'https://game.example.org/' });
      parts.launches.at(-1)?.succeed();
      await settle();
      return json.streamId as string;
    },
    async close() {
      await router.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
