import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/logger.js';
import type { ResolvedOptions } from '../options/stream-kit-options.js';
import type { SessionRoom } from '../session/open-sessions.js';
import { ClusterNode } from './cluster-node.js';

/** The options of the room. */
export type ClusterRoomOptions = Pick<ResolvedOptions, 'cluster' | 'files'>;

export interface ClusterRoomParts {
  readonly sessions: Pick<SessionRoom, 'features' | 'observers' | 'recordings' | 'registry' | 'transfers'>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long a request waits for the directory, ms; default: as the rooms themselves say. */
  readonly directoryTimeoutMs?: number | undefined;
}

/**
 * @returns undefined where the server is alone.
 * @throws StreamKitError `bad_option` where the package `ioredis` is needed and missing.
 */
export function openCluster(
  { cluster, files }: ClusterRoomOptions,
  {
    sessions: { registry, recordings, observers, features, transfers },
    clock,
    logger,
    directoryTimeoutMs,
  }: ClusterRoomParts,
): ClusterNode | undefined {
  if (cluster === undefined) return undefined;
  const node = new ClusterNode({
    options: cluster,
    sessions: {
      get room() {
        return registry.room;
      },
      features,
      ids: () => [...registry.all().map(({ streamId }) => streamId), ...(recordings?.streamIds() ?? [])],
      has: (streamId) =>
        registry.find(streamId) !== undefined || recordings?.creatorOf(streamId) !== undefined,
      counts: (kind) => registry.counts(kind),
      stateOf: (streamId) => registry.find(streamId)?.state,
      transfers,
      lose: (error) => {
        for (const session of registry.all())
          if (!transfers.isDeparting(session.streamId)) session.fail(error);
      },
    },
    ...{ clock, logger, directoryTimeoutMs },
    maxFileBytes: files.maxBytes,
  });
  observers.add((name) => {
    if (name === 'session:end' || name === 'viewer:leave') node.seats.refresh();
  });
  return node;
}
