import { createSecretKey, type KeyObject } from 'node:crypto';

import { StreamKitError } from '../base/errors.js';
import { anObject, badOption, refuseUnknownNames } from './option-checks.js';

/** The part of an ioredis client, or of its `Cluster`, that is used. */
export interface RedisClient {
  call(command: string, ...parameters: (string | number)[]): Promise<unknown>;
}

/** Several servers that answer for each other's sessions: docs/scale.md. */
export interface ClusterOptions {
  /**
   * Where the nodes find each other: a `redis:` or `rediss:` URL, for which the package `ioredis` must be installed, or an ioredis
   * client of the application, which stays open. Redis 6.2 or later.
   */
  redis: string | RedisClient;
  /** Name of this node, of letters, digits, `.`, `_` and `-`, 1–64 characters; no other node has it. */
  nodeId: string;
  /** http or https URL at which the other nodes reach this router, with the path of its mount point and `basePath`. */
  advertiseUrl: string;
  /** At least 32 bytes, random, the same at every node: signs what nodes pass on to each other. */
  secret: string | Uint8Array;
  /** Nodes with the same one form a cluster, of letters, digits, `.`, `_` and `-`, 1–64 characters. Default `stream-kit`. */
  name?: string;
}

export interface ResolvedClusterOptions {
  readonly redis: string | RedisClient;
  readonly nodeId: string;
  /** Ends without a slash. */
  readonly advertiseUrl: string;
  readonly key: KeyObject;
  readonly name: string;
}

const LEAST_SECRET_BYTES = 32;

/** @throws StreamKitError `bad_option`. */
export function clusterOptions(value: unknown, name: string): ResolvedClusterOptions {
  const given = anObject(value, name);
  refuseUnknownNames(given, ['redis', 'nodeId', 'advertiseUrl', 'secret', 'name'], name);
  return Object.freeze({
    redis: redisOption(given.redis, `${name}.redis`),
    nodeId: word(given.nodeId, `${name}.nodeId`),
    advertiseUrl: routerUrl(given.advertiseUrl, `${name}.advertiseUrl`),
    key: secretKey(given.secret, `${name}.secret`),
    name: given.name === undefined ? 'stream-kit' : word(given.name, `${name}.name`),
  });
}

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
