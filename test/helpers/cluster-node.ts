import { randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { systemClock } from '../../src/base/clock.js';
import type { RedisClient } from '../../src/options/cluster-options.js';
import type { StreamKitOptions } from '../../src/options/stream-kit-options.js';
import { resolveOptions } from '../../src/options/stream-kit-options.js';
import type { StreamKitRouter } from '../../src/http/stream-kit-router.js';
import type { MuxThreads } from '../../src/recording/mux-threads.js';
import { composeRouter } from '../../src/router.js';
import { FakeParts } from './session-fakes.js';

/** The same at every node. */
export const CLUSTER_SECRET = 'a secret of nodes that only tests know';
/** Where the router of a node is mounted. */
export const NODE_MOUNT = '/stream';

/** A node of a cluster on fake parts, with a clock and ids as real ones have. */
export interface ClusterTestNode {
  readonly nodeId: string;
  readonly url: string;
  readonly parts: FakeParts;
  readonly router: StreamKitRouter;
  readonly server: Server;
  close(): Promise<void>;
}

interface ClusterNodeParts {
  readonly muxThreads?: MuxThreads;
  readonly port?: number;
  readonly drawsOnGpu?: () => boolean;
  /** How long it waits for Redis, ms. */
  readonly directoryTimeoutMs?: number | undefined;
}

export async function openClusterNode(
  nodeId: string,
  redis: string | RedisClient,
  given: StreamKitOptions | ((advertiseUrl: string) => StreamKitOptions) = {},
  { muxThreads, port = 0, drawsOnGpu = () => false, directoryTimeoutMs }: ClusterNodeParts = {},
): Promise<ClusterTestNode> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}${NODE_MOUNT}`;
  const options = typeof given === 'function' ? given(url) : given;
  const parts = new FakeParts();
  const real = { clock: systemClock, ids: { streamId: () => randomUUID(), viewerId: () => randomUUID() } };
  const router = composeRouter(
    resolveOptions({
      basePath: NODE_MOUNT,
      maxSessions: 10,
      cluster: { redis, nodeId, advertiseUrl: url, secret: CLUSTER_SECRET },
      ...options,
    }),
    Object.assign(parts, real, { drawsOnGpu, directoryTimeoutMs }),
    muxThreads,
  );
  server.on('request', (request, response) => void router(request, response));
  router.attach(server);
  return {
    ...{ nodeId, url, parts, router, server },
    async close() {
      await router.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
