import { createSecretKey, type KeyObject } from 'node:crypto';

import { StreamKitError } from '../base/errors.js';
import { badOption } from './option-checks.js';
import { option, type OptionsOf, required, type ResolvedOptionsOf, tableCheck } from './option-definition.js';

const LEAST_SECRET_BYTES = 32;

/** The part of an ioredis client, or of its `Cluster`, that is used. */
export interface RedisClient {
  call(command: string, ...parameters: (string | number)[]): Promise<unknown>;
}

const CLUSTER = {
  /**
   * Where the nodes find each other: a `redis:` or `rediss:` URL, for which the package `ioredis` must be installed, or an ioredis
   * client of the application, which stays open. Redis 6.2 or later.
   */
  redis: required<string | RedisClient>(redisOption),
  /** Name of this node, of letters, digits, `.`, `_` and `-`, 1–64 characters; no other node has it. */
  nodeId: required<string>(word),
  /** http or https URL at which the other nodes reach this router, with the path of its mount point and `basePath`. */
  advertiseUrl: required<string>(routerUrl),
  /** At least 32 bytes, random, the same at every node: signs what nodes pass on to each other. */
  secret: required<string | Uint8Array, KeyObject>(secretKey),
  /** Where this node is, as `placement.region` of a request names it, of letters, digits, `.`, `_` and `-`, 1–64 characters. Default: nowhere. */
  region: option<string | undefined>(word, undefined),
  /** Nodes with the same one form a cluster, of letters, digits, `.`, `_` and `-`, 1–64 characters. Default `stream-kit`. */
  name: option<string>(word, 'stream-kit'),
};

/** Several servers that answer for each other's sessions: docs/scale.md. */
export interface ClusterOptions extends OptionsOf<typeof CLUSTER> {}

/** {@link ClusterOptions}, checked: the URL ends without a slash. */
export type ResolvedClusterOptions = ResolvedOptionsOf<typeof CLUSTER>;

/** @throws StreamKitError `bad_option`. */
export const clusterOptions = tableCheck(CLUSTER);

function redisOption(value: unknown, name: string): string | RedisClient {
  if (typeof value === 'object' && value !== null && 'call' in value && typeof value.call === 'function') {
    return value as RedisClient;
  }
  if (typeof value !== 'string' || !URL.canParse(value) || !/^rediss?:$/.test(new URL(value).protocol)) {
    // Not shown: a URL of Redis has a password in it.
    throw new StreamKitError(
      'bad_option',
      `Expected a redis: or rediss: URL or an ioredis client for ${name}`,
    );
  }
  return value;
}

function word(value: unknown, name: string): string {
  if (typeof value !== 'string' || !/^[\w.-]{1,64}$/.test(value)) {
    throw badOption('1 to 64 letters, digits, dots, underscores and hyphens', name, value);
  }
  return value;
}

function routerUrl(value: unknown, name: string): string {
  const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) throw badOption('http or https URL', name, value);
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    // Not shown: it may have a password in it.
    throw new StreamKitError(
      'bad_option',
      `Expected a URL without credentials, query and fragment for ${name}`,
    );
  }
  return url.href.replace(/\/+$/, '');
}

function secretKey(value: unknown, name: string): KeyObject {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  if (!(bytes instanceof Uint8Array) || bytes.byteLength < LEAST_SECRET_BYTES) {
    throw new StreamKitError('bad_option', `Expected at least ${LEAST_SECRET_BYTES} bytes for ${name}`);
  }
  return createSecretKey(bytes);
}
