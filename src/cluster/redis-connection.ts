import { createRequire } from 'node:module';

import { StreamKitError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type { RedisClient } from '../options/cluster-options.js';

/** What is used of an ioredis client that is our own. */
interface OwnClient extends RedisClient {
  on(event: 'error', listener: (error: Error) => void): unknown;
  disconnect(): void;
}

export interface RedisConnection {
  readonly client: RedisClient;
  /** Idempotent. */
  close(): void;
}

const CONNECT_TIMEOUT_MS = 2000;
/** A connection on which nothing comes back for this long while something is asked is made anew, ms. */
const SOCKET_TIMEOUT_MS = 3000;
const LONGEST_RETRY_MS = 500;

/**
 * Opens a connection for a URL; a client of the application is taken as it is, and stays open.
 *
 * @throws StreamKitError `bad_option` where the package `ioredis` is not installed.
 */
export function openRedis(redis: string | RedisClient, logger: Logger): RedisConnection {
  if (typeof redis !== 'string') return { client: redis, close: () => undefined };
  const client = new (loadClient())(redis, {
    connectTimeout: CONNECT_TIMEOUT_MS,
    socketTimeout: SOCKET_TIMEOUT_MS,
    // Whoever asks while it is away is told so with the next attempt to connect, instead of after the fact.
    maxRetriesPerRequest: 0,
    retryStrategy: (attempts: number) => Math.min(50 * attempts, LONGEST_RETRY_MS),
  });
  let isLogged = false;
  client.on('error', (error) => {
    // Of what the option says nothing is shown: an address may have a password beside it.
    if (!isLogged) logger.warn({ reason: (error as NodeJS.ErrnoException).code }, 'Redis cannot be reached');
    isLogged = true;
  });
  return { client, close: () => client.disconnect() };
}

/** Loaded only where it is needed: it is an optional peer dependency. */
function loadClient(): new (url: string, options: object) => OwnClient {
  try {
    const loaded = createRequire(import.meta.url)('ioredis') as {
      Redis: new (url: string, options: object) => OwnClient;
    };
    return loaded.Redis;
  } catch (cause) {
    throw new StreamKitError(
      'bad_option',
      'Expected the package ioredis to be installed because cluster.redis is a URL',
      {
        cause,
      },
    );
  }
}
