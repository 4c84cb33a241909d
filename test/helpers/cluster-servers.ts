import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { statFields } from '../../src/base/process-table.js';
import type { StreamKitOptions } from '../../src/index.js';
import { CLUSTER_SECRET } from './cluster-node.js';
import { ServerProcess } from './server-process.js';

export interface ClusterServersOptions {
  readonly redisUrl: string;
  readonly ports: readonly number[];
  /** Where the options of each are written. */
  readonly folder: string;
  readonly options?: StreamKitOptions;
  /** Further options as JavaScript, for those that are functions. */
  readonly source?: string;
  readonly arguments?: readonly string[];
  /** What ends them is added, also if one of them does not start. */
  readonly ends: (() => unknown)[];
}

/** Stand-alone servers that are the nodes `node-0`, `node-1` and on of one cluster. */
export async function startClusterServers({
  redisUrl,
  ports,
  folder,
  options,
  source = '',
  arguments: more = [],
  ends,
}: ClusterServersOptions): Promise<ServerProcess[]> {
  const start = (port: number, index: number): Promise<ServerProcess> => {
    const nodeId = `node-${index}`;
    const cluster = {
      ...{ redis: redisUrl, nodeId, secret: CLUSTER_SECRET },
      advertiseUrl: `http://127.0.0.1:${port}/stream`,
    };
    const file = join(folder, `${nodeId}.mjs`);
    // The page of one is a page of another machine for the others.
    const targetPolicy = { allowPrivateAddresses: true };
    const all = { cluster, maxSessions: 2, listenAddress: '127.0.0.1', targetPolicy, ...options };
    writeFileSync(file, `export default { ...${JSON.stringify(all)}, ${source} };`);
    return ServerProcess.start(undefined, undefined, ['--port', String(port), '--config', file, ...more]);
  };
  // All have started or failed before anything is ended.
  const started = await Promise.allSettled(ports.map(start));
  const servers = started.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  ends.push(...servers.map((server) => () => server.end('SIGKILL')));
  for (const one of started) if (one.status === 'rejected') throw one.reason;
  return servers;
}

/** The one that a process descends from. */
export function serverOf(servers: readonly ServerProcess[], pid: number): ServerProcess | undefined {
  for (let parent = pid; parent > 1;) {
    const found = servers.find((server) => server.pid === parent);
    if (found !== undefined) return found;
    parent = Number(statFields(readFileSync(`/proc/${parent}/stat`, 'latin1'))[1]);
  }
  return undefined;
}
