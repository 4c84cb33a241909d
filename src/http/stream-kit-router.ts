import type { StreamTokenRequest } from '../options/stream-token-request.js';
import type { DrainRequest } from '../protocol/drain-request.js';
import type { RouterHealth } from '../protocol/health.js';
import type { RecordingWithPaths } from '../session/session-recordings.js';
import type { StreamKitProfiles } from '../session/stream-kit-profiles.js';
import type { StreamKitSessions } from '../session/stream-kit-sessions.js';
import type { FastifyPlugin } from './fastify-adapter.js';
import type { FetchHandler } from './fetch-adapter.js';
import type { KoaMiddleware } from './koa-adapter.js';
import type { NodeHandler } from './node-adapter.js';
import type { UpgradableServer } from './upgrade-listeners.js';
import type { AttachOptions } from './websocket-upgrades.js';

/**
 * What `createStreamKitRouter` returns: a handler for Express, Connect, `node:http` and `node:http2`, with adapters for
 * other hosts. All of them reach the same sessions. Where a host leaves the path of the mount point in the URL, the
 * option `basePath` is that path.
 */
export interface StreamKitRouter extends NodeHandler {
  /**
   * Answers a web-standard request: Hono and the like. The URL must be the whole one, with `basePath` in it. What the
   * router has no route for is answered with 404. Never rejects, and needs no `this`.
   */
  readonly fetch: FetchHandler;
  /** Middleware for Koa 2 and 3, at `basePath` or below a path of `koa-mount`. */
  koa(): KoaMiddleware;
  /** A plugin for Fastify 4 and 5: `app.register(router.fastify(), { prefix: '/stream' })`. */
  fastify(): FastifyPlugin;
  /**
   * Takes the WebSockets of a server: `GET /:streamId/stream`. Upgrades never reach the middleware of a framework, so the
   * path of the mount point is told here. To attach a server again at the same path changes nothing. An upgrade that no router
   * takes, and nobody else listens for, is answered with 404.
   *
   * @returns what ends it; `close()` does so too. Idempotent.
   * @throws StreamKitError `unavailable` after `close()`.
   */
  attach(server: UpgradableServer, options?: AttachOptions): () => void;
  /** The sessions of this router as objects: to create, find, list and drive them from the application. */
  readonly sessions: StreamKitSessions;
  /** What pages have stored, which outlives their sessions: to list and delete. */
  readonly profiles: StreamKitProfiles;
  /** The recordings of a session, oldest first, also when it is gone. */
  recordings(streamId: string): readonly RecordingWithPaths[];
  /** What was counted, in the text format of Prometheus; the content type of it is `metricsContentType`. */
  metrics(): Promise<string>;
  readonly metricsContentType: string;
  /** Whether another session could be taken. */
  health(): RouterHealth;
  /**
   * Signs a token with which a client that cannot set headers, such as an EventSource, may use some routes of one session
   * without `validateRequest`: as the query parameter `token`, or as `Authorization: Bearer`. It counts when a request
   * begins; an event stream that is open stays open.
   *
   * @returns safe in a URL. Whoever has it can use it, and read what it says.
   * @throws StreamKitError `not_found` without the option `streamTokens`, `bad_option`.
   */
  createStreamToken(request: StreamTokenRequest): string;
  /**
   * Takes no new sessions from now on, for good; a page ends once nobody has used it for `viewerReattachMs`. `health()` says
   * `draining`. Terminals do not count. Idempotent.
   *
   * @param request - with `move` pages also go on at other servers of the cluster; a call with it may follow one without.
   * @returns resolves when no page is left, which may never be: bound the wait, then `close()`.
   */
  drain(request?: DrainRequest): Promise<void>;
  /**
   * Ends every session, its browser and its viewers, and takes no new ones. After it nothing of the router keeps
   * the process alive. Idempotent.
   */
  close(): Promise<void>;
}
