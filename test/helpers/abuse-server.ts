import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { RequestListener, Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { systemClock } from '../../src/base/clock.js';
import type { MediaPlane } from '../../src/fanout/media-plane.js';
import { silentLogger } from '../../src/base/logger.js';
import type { StreamKitOptions } from '../../src/options/stream-kit-options.js';
import { resolveOptions } from '../../src/options/stream-kit-options.js';
import { createAnsweringPeerFactory } from '../../src/peer/answering-peer.js';
import { createViewerPeerFactory } from '../../src/peer/werift/werift-viewer-peer.js';
import type { StreamKitRouter } from '../../src/http/stream-kit-router.js';
import type { MuxThreads } from '../../src/recording/mux-threads.js';
import { composeRouter } from '../../src/router.js';
import type { IdSource, SessionParts } from '../../src/session/session-parts.js';
import type { HlsReport, HlsThreadData } from '../../src/recording/hls-messages.js';
import type { RecordingReport, RecordingThreadData } from '../../src/recording/recording-messages.js';
import { Contract } from './contract.js';
import { fakeMuxThreads } from './recording-fakes.js';
import { postJson } from './router-server.js';
import { FakeParts } from './session-fakes.js';
import { settle } from './virtual-clock.js';

/** A router whose sockets and timers are real; the page and its encoders are played, and its peers where they cost time. */
export interface AbuseServer {
  readonly url: string;
  readonly port: number;
  readonly parts: FakeParts;
  readonly router: StreamKitRouter;
  readonly server: Server;
  /** Errors of the server itself; there should be none. */
  readonly errors: unknown[];
  /** Of every session that was made. */
  readonly streamIds: string[];
  /** A session whose page is captured. */
  liveSession(): Promise<string>;
  /** @throws Error if it did not keep to docs/openapi.json. */
  close(): Promise<void>;
}

/** @param createPlane - undefined: peers are played as well. */
export async function startAbuseServer(
  options: StreamKitOptions = {},
  createPlane?: () => MediaPlane,
): Promise<AbuseServer> {
  const clock = systemClock;
  const parts = new FakeParts();
  if (createPlane !== undefined) Object.assign(parts, realPeers(createPlane()));
  const streamIds: string[] = [];
  const ids: IdSource = {
    streamId: () => {
      const id = randomUUID();
      streamIds.push(id);
      return id;
    },
    viewerId: () => randomUUID(),
  };
  Object.assign(parts, { clock, ids });
  const errors: unknown[] = [];
  const router = composeRouter(
    resolveOptions({ onError: (error) => void errors.push(error), ...options }),
    parts,
    muxThreads(),
  );
  const listener: RequestListener = (request, response) => void router(request, response);
  const server = createServer(listener);
  const contract = new Contract().watch(server);
  router.attach(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  return {
    ...{ url, port, parts, router, server, errors, streamIds },
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
      contract.assert();
    },
  };
}

/** Of werift, on a real media plane and the loopback address. */
function realPeers(
  mediaPlane: MediaPlane,
): Pick<SessionParts, 'mediaPlane' | 'openViewerPeer' | 'openAnsweringPeer'> {
  const [clock, logger, listenAddress] = [systemClock, silentLogger, '127.0.0.1'];
  const openViewerPeer = createViewerPeerFactory({
    mediaPlane,
    clock,
    logger,
    holdsPictures: false,
    listenAddress,
  });
  return { mediaPlane, openViewerPeer, openAnsweringPeer: createAnsweringPeerFactory(openViewerPeer, clock) };
}

/** They write files of ten bytes, and cut one segment. */
function muxThreads(): MuxThreads {
  const file = { width: 64, height: 64, bytes: 10, durationMs: 1000 };
  const recordings = fakeMuxThreads<RecordingThreadData, RecordingReport>((thread) => {
    const extension = thread.data.codec === 'h264' ? 'mp4' : 'webm';
    writeFileSync(`${thread.data.pathPrefix}1.${extension}`, '0123456789');
    thread.report({ type: 'ended', files: [file], error: undefined, detail: undefined });
  });
  const playlists = fakeMuxThreads<HlsThreadData, HlsReport>((thread) =>
    thread.report({ type: 'ended', detail: undefined }),
  );
  const bytes = new Uint8Array(10);
  return {
    openRecordingThread: recordings.open,
    openHlsThread: (data, listener) => {
      const thread = playlists.open(data, listener);
      queueMicrotask(() => {
        listener.onReport({ type: 'init', bytes });
        listener.onReport({ type: 'segment', bytes, startUs: 0, durationUs: 2_000_000 });
      });
      return thread;
    },
  };
}
