// Over 500 lines: the composition root wires all parts, each with one or two lines.

import { randomBytes, randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

import { systemClock } from './base/clock.js';
import { EncoderSelection } from './render/encode/encoder-selection.js';
import { FrameTiming } from './render/encode/frame-timing.js';
import { GraphicsSelection } from './render/graphics/graphics-selection.js';
import { procMemory } from './render/limits/process-memory.js';
import { openSessionLimiter } from './render/limits/open-session-limiter.js';
import { createOpenRestartingRender } from './render/restarting-render.js';
import { openRemoteRenders, type RemoteRenders } from './render/remote-render.js';
import { asError, StreamKitError } from './base/errors.js';
import type { MachineLoad } from './base/machine-load.js';
import { openMachineLoad } from './base/machine-load.js';
import type { MediaPlane } from './fanout/media-plane.js';
import { openMediaPlane } from './fanout/open-media-plane.js';
import { adminRoutes } from './http/admin-routes.js';
import { createFastifyPlugin, type FastifyPlugin } from './http/fastify-adapter.js';
import { createFetchHandler, type FetchHandler } from './http/fetch-adapter.js';
import { fileRoutes } from './http/file-routes.js';
import type { KoaMiddleware } from './http/koa-adapter.js';
import { createKoaMiddleware } from './http/koa-adapter.js';
import type { NodeHandler } from './http/node-adapter.js';
import { createNodeHandler } from './http/node-adapter.js';
import { openApiRoutes } from './http/openapi-routes.js';
import type { RouteHandlers } from './http/route-handler.js';
import type { RouteName } from './protocol/routes.js';
import { drainRoutes, healthRoutes, metricsRoutes } from './http/observability-routes.js';
import { playlistRoutes } from './http/playlist-routes.js';
import { profileRoutes } from './http/profile-routes.js';
import { recordingRoutes } from './http/recording-routes.js';
import { createAuthorize, createRightCheck } from './http/authorization.js';
import { createCallerRates } from './http/caller-rates.js';
import { CorsPolicy } from './http/cors-policy.js';
import { errorReporter } from './http/error-reporter.js';
import { createRequestHandler } from './http/request-handler.js';
import { sessionRoutes } from './http/session-routes.js';
import { StreamTokens } from './http/stream-tokens.js';
import type { UpgradableServer } from './http/upgrade-listeners.js';
import type { AttachOptions } from './http/websocket-upgrades.js';
import { WebSocketUpgrades } from './http/websocket-upgrades.js';
import { openStreamKitWeb } from './http/stream-kit-web.js';
import { viewRoutes } from './http/view-routes.js';
import { whepRoutes } from './http/whep-routes.js';
import { createRemoteControl } from './input/remote-control.js';
import { createAdminReport } from './observe/admin-report.js';
import { observers } from './observe/observers.js';
import type { RouterGauges } from './observe/router-gauges.js';
import { EgressRefusals, NO_GAUGES } from './observe/router-gauges.js';
import type { RouterHealth } from './protocol/health.js';
import { routerHealth } from './observe/router-health.js';
import { planRungs } from './fanout/rung-planner.js';
import { Webhooks } from './observe/webhooks.js';
import { RouterMetrics } from './observe/router-metrics.js';
import { publishSessionEvent } from './observe/session-channels.js';
import type { ResolvedOptions, StreamKitOptions } from './options/stream-kit-options.js';
import { resolveOptions } from './options/stream-kit-options.js';
import type { StreamTokenRequest } from './options/stream-token-request.js';
import { READY_SEGMENT } from './options/observability-options.js';
import { H264Payloader } from './render/packetize/h264-payloader.js';
import { OpusPayloader } from './render/packetize/opus-payloader.js';
import { Vp8Payloader } from './render/packetize/vp8-payloader.js';
import { createAnsweringPeerFactory } from './peer/answering-peer.js';
import { createViewerPeerFactory } from './peer/werift/werift-viewer-peer.js';
import { HlsStream } from './recording/hls-stream.js';
import type { OpenHlsThread } from './recording/hls-stream.js';
import { muxThreadOpener } from './recording/mux-thread.js';
import { RecordingStore } from './recording/recording-store.js';
import type { OpenRecordingThread } from './recording/recording.js';
import { LoneNode } from './cluster/lone-node.js';
import { ClusterNode } from './cluster/cluster-node.js';
import { Admission } from './session/admission.js';
import { CpuRoom } from './session/cpu-room.js';
import type { Caller } from './session/caller.js';
import { callerBindings } from './session/caller.js';
import { procCpuTimes } from './base/process-cpu-time.js';
import { CpuMeter } from './session/cpu-meter.js';
import { IceServerSource } from './session/ice-server-source.js';
import { newSessionCounters } from './session/session-counters.js';
import type { IdSource, SessionParts } from './session/session-parts.js';
import type { RecordingWithPaths } from './session/session-recordings.js';
import { SessionRecordings } from './session/session-recordings.js';
import { SessionPlaylists } from './session/session-playlists.js';
import { SessionRegistry } from './session/session-registry.js';
import { StreamKitProfiles } from './session/stream-kit-profiles.js';
import { StreamKitSessions } from './session/stream-kit-sessions.js';
import { ProfileStore } from './profiles/profile-store.js';
import { terminalParts } from './terminal/terminal-parts.js';

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
   * @returns resolves when no page is left, which may never be: bound the wait, then `close()`.
   */
  drain(): Promise<void>;
  /**
   * Ends every session, its browser and its viewers, and takes no new ones. After it nothing of the router keeps
   * the process alive. Idempotent.
   */
  close(): Promise<void>;
}

/** Bytes of a viewer's secret id. */
const VIEWER_ID_BYTES = 24;

const randomIds: IdSource = {
  streamId: () => randomUUID(),
  viewerId: () => randomBytes(VIEWER_ID_BYTES).toString('base64url'),
};

/**
 * Makes the request handler that launches sessions, serves their state and signals with their viewers. Mount it in
 * Express, Connect, a plain server of Node's, Koa, Fastify, Hono or another web-standard host.
 *
 * @throws StreamKitError `bad_option` with one sentence for the first option that is wrong or unknown; `unavailable`
 * where the UDP port is taken; `internal` where the native media plane is built but broken.
 */
export function createStreamKitRouter<TEnv = unknown, TRequest = IncomingMessage>(
  options: StreamKitOptions<TEnv, TRequest> = {},
): StreamKitRouter {
  const resolved = resolveOptions(options);
  const { logger, announcedAddresses, lipSync } = resolved;
  const listenAddress = resolved.listenAddress === undefined ? {} : { listenAddress: resolved.listenAddress };
  const clock = systemClock;
  const { encoder: choice, encoderDevice: device, ffmpegPath } = resolved;
  const encoders = new EncoderSelection({
    choice,
    device,
    ffmpegPath,
    logger: logger.child({ room: 'encode' }),
  });
  let graphics: GraphicsSelection | undefined;
  let mediaPlane: MediaPlane | undefined;
  let renders: RemoteRenders | undefined;
  try {
    graphics = new GraphicsSelection({
      gpu: resolved.gpu,
      launchOptions: resolved.puppeteerLaunchOptions,
      logger: logger.child({ room: 'render' }),
    });
    mediaPlane = openMediaPlane({
      mediaPlane: resolved.mediaPlane,
      udpPort: resolved.udpPort,
      ...listenAddress,
      clock,
      logger: logger.child({ room: 'fanout' }),
    });
    const openViewerPeer = createViewerPeerFactory({
      mediaPlane,
      logger: logger.child({ room: 'peer' }),
      ...listenAddress,
      announcedAddresses,
      holdsPictures: lipSync.holdsPictures,
      clock,
    });
    const egressRefusals = new EgressRefusals();
    const limiter = openSessionLimiter(resolved.sessionLimits, clock, logger.child({ room: 'render' }));
    renders = openRemoteRenders({
      launchOptions: resolved.puppeteerLaunchOptions,
      capture: resolved.capture,
      launchTimeoutMs: resolved.launchTimeoutMs,
      loadTimeoutMs: resolved.loadTimeoutMs,
      hangTimeoutMs: resolved.hangTimeoutMs,
      targetPolicy: resolved.targetPolicy,
      onEgressRefused: (errorType) => egressRefusals.add(errorType),
      encoders,
      graphics,
      mediaPlane,
      lipSyncToleranceMs: lipSync.toleranceMs,
      soundDtx: resolved.soundDtx,
      sessionProcess: resolved.sessionProcess,
      limiter,
      logger: logger.child({ room: 'render' }),
    });
    const parts: RouterParts = {
      openRender: createOpenRestartingRender({
        open: renders.open,
        restart: resolved.restart,
        launchLimitMs: resolved.launchTimeoutMs + resolved.loadTimeoutMs,
        clock,
        logger: logger.child({ room: 'render' }),
      }),
      createVideoPayloader: (codec) => (codec === 'h264' ? new H264Payloader() : new Vp8Payloader()),
      createAudioPayloader: () => new OpusPayloader(lipSync.toleranceMs),
      createFrameTiming: () => new FrameTiming(),
      planRungs,
      mediaPlane,
      openViewerPeer,
      openAnsweringPeer: createAnsweringPeerFactory(openViewerPeer, clock),
      openRemoteControl: createRemoteControl(resolved.control, clock),
      clock,
      machine: openMachineLoad(),
      cpu: new CpuMeter(clock, procCpuTimes),
      logger: logger.child({ room: 'session' }),
      ids: randomIds,
    };
    const router = composeRouter(resolved, parts, workerMuxThreads, {
      encoderFound: () => encoders.chosen,
      egressRefusals: () => egressRefusals.counts,
    });
    const close = router.close.bind(router);
    const opened = { renders, graphics };
    return Object.assign(router, {
      close: async () => {
        encoders.close();
        opened.graphics.close();
        await close();
        await opened.renders.close();
      },
    });
  } catch (thrown) {
    // A port that is taken, a folder that cannot be written: what was opened before must not outlive the attempt.
    encoders.close();
    graphics?.close();
    void renders?.close();
    void mediaPlane?.close();
    throw thrown;
  }
}

/** The threads that write what is encoded into containers. */
export interface MuxThreads {
  readonly openRecordingThread: OpenRecordingThread;
  readonly openHlsThread: OpenHlsThread;
}

const workerMuxThreads: MuxThreads = {
  openRecordingThread: muxThreadOpener('./recording-worker.js'),
  openHlsThread: muxThreadOpener('./hls-worker.js'),
};

const MAX_RUNGS = 3;

/** What sessions are made of, but for those who watch over them. */
export interface RouterParts extends Omit<SessionParts, 'observe' | 'counters'> {
  readonly machine: MachineLoad;
}

/** Wires sessions and routes around given parts. */
export function composeRouter<TEnv>(
  options: ResolvedOptions<TEnv>,
  given: RouterParts,
  muxThreads: MuxThreads = workerMuxThreads,
  gauges: RouterGauges = NO_GAUGES,
): StreamKitRouter {
  const reportError = errorReporter(options);
  const counters = newSessionCounters();
  const admission = new Admission({
    maxSessions: options.maxSessions,
    machine: given.machine,
    clock: given.clock,
  });
  const webhooks =
    options.webhooks &&
    new Webhooks({
      options: options.webhooks,
      clock: given.clock,
      logger: options.logger.child({ room: 'observe' }),
    });
  const metrics = new RouterMetrics({
    maxSessions: admission.maxSessions,
    counters,
    mediaPlane: given.mediaPlane,
    states: () => registry.states(),
    egressRefusals: gauges.egressRefusals,
    rateRefusals: () => rates.refused,
    ...(webhooks === undefined ? {} : { webhooks: () => webhooks.counts }),
  });
  const observe = observers(
    [
      metrics.observe,
      publishSessionEvent,
      (name, event) => sessions.observe(name, event),
      ...(webhooks === undefined ? [] : [webhooks.observe]),
    ],
    options.logger,
  );
  const store =
    options.recording === undefined
      ? undefined
      : new RecordingStore({
          options: options.recording,
          openThread: muxThreads.openRecordingThread,
          clock: given.clock,
          logger: options.logger.child({ room: 'recording' }),
          createId: () => randomUUID(),
        });
  const terminals = terminalParts(options.terminal, given.clock, options.logger);
  const hasAutoRungs = options.maxRungs === 'auto';
  const cpuRoom = hasAutoRungs ? new CpuRoom(given.machine, given.clock) : undefined;
  const parts: SessionParts = { ...given, counters, observe, terminals, cpuRoom };
  const registry = new SessionRegistry({
    parts,
    settings: { ...options, maxRungs: hasAutoRungs ? MAX_RUNGS : options.maxRungs },
    admission,
    onSessionError: (error, streamId, { context }) => reportError(error, streamId, context),
  });
  const recordings = store === undefined ? undefined : new SessionRecordings(registry, store, observe);
  const { hls } = options;
  const playlists =
    hls === undefined
      ? undefined
      : new SessionPlaylists(registry, ({ streamId, ...stream }, onEnded) => {
          const { clock } = parts;
          const logger = options.logger.child({ room: 'recording', streamId });
          const openThread = muxThreads.openHlsThread;
          return new HlsStream({ ...stream, options: hls, openThread, clock, logger }, onEnded);
        });
  const health = (): RouterHealth => routerHealth(registry, gauges, parts.mediaPlane);
  const iceServers = new IceServerSource(options.iceServers, parts.clock, options.logger);
  const tokens =
    options.streamTokens === undefined ? undefined : new StreamTokens(options.streamTokens, parts.clock);
  const createStreamToken = (request: StreamTokenRequest): string => {
    if (tokens === undefined) throw new StreamKitError('not_found', 'There is no option streamTokens');
    return tokens.create(request);
  };
  const profileStore =
    options.profileDirectory &&
    new ProfileStore({
      options: options.profileDirectory,
      clock: given.clock,
      logger: options.logger.child({ room: 'profiles' }),
    });
  const profiles = new StreamKitProfiles(profileStore);
  const sessions: StreamKitSessions = new StreamKitSessions({
    registry,
    profiles: profileStore,
    recordings,
    defaults: { viewport: options.defaultViewport, maxBitrateBps: options.maxBitrateBps },
    targetPolicy: options.targetPolicy,
    terminal: options.terminal,
    createToken: createStreamToken,
    logger: options.logger,
  });
  if (options.allowAnonymous) {
    options.logger.warn({}, 'allowAnonymous is set: everybody may create a session');
  } else if (options.validateRequest === undefined) {
    options.logger.info({}, 'there is no validateRequest: only clients of this machine are answered');
  }
  const rates = createCallerRates(options.rateLimits, parts.clock);
  const onServerError = (thrown: unknown, streamId?: string, caller?: Caller): void => {
    const error = asError(thrown);
    const bindings = caller === undefined ? {} : callerBindings(caller);
    options.logger.error({ err: error, streamId, ...bindings }, 'request failed');
    reportError(error, streamId, caller?.context);
  };
  const creatorOf = (streamId: string): Caller | undefined =>
    registry.creatorOf(streamId) ?? recordings?.creatorOf(streamId);
  const authorize = createAuthorize(options, { tokens, creatorOf, logger: options.logger });
  const checkRight = createRightCheck(creatorOf);
  const cluster =
    options.cluster &&
    new ClusterNode({
      options: options.cluster,
      sessions: {
        get room() {
          return registry.room;
        },
        ids: () => [...registry.all().map(({ streamId }) => streamId), ...(recordings?.streamIds() ?? [])],
        has: (streamId) =>
          registry.find(streamId) !== undefined || recordings?.creatorOf(streamId) !== undefined,
        stateOf: (streamId) => registry.find(streamId)?.state,
        lose: (error) => {
          for (const session of registry.all()) session.fail(error);
        },
      },
      clock: parts.clock,
      logger: options.logger.child({ room: 'cluster' }),
      maxFileBytes: options.files.maxBytes,
    });
  const cors = new CorsPolicy(options.cors, (error) => {
    options.logger.error({ err: error }, 'cors.origins threw');
    reportError(error, undefined, undefined);
  });
  const { clock } = parts;
  const { streamKitWeb: webOptions, trustProxy } = options;
  const web =
    webOptions &&
    openStreamKitWeb({
      ...{ options: webOptions, registry, sessions, iceServers, rates, trustProxy, clock, onServerError },
    });
  const adminReport = createAdminReport({
    registry,
    mayRestart: options.restart !== false,
    readMemory: (pids) => procMemory(pids, Infinity),
    clock,
  });
  const handlers: RouteHandlers = {
    ...drainRoutes(() => registry.drain()),
    ...(options.health === undefined ? {} : healthRoutes(health)),
    ...(options.metrics === undefined ? {} : metricsRoutes(metrics)),
    ...sessionRoutes({
      registry,
      sessions,
      rates,
      iceServers,
      cdp: options.cdp,
      announce: cluster && ((streamId) => cluster.announce(streamId)),
    }),
    ...fileRoutes(registry),
    ...(profileStore === undefined ? {} : profileRoutes(profiles)),
    ...(options.admin ? adminRoutes(registry, adminReport) : {}),
    ...web?.handlers,
    ...viewRoutes(sessions, tokens !== undefined),
    ...whepRoutes({ registry, rates, iceServers, logger: options.logger }),
    ...(recordings === undefined ? {} : recordingRoutes(recordings)),
    ...(playlists === undefined ? {} : playlistRoutes(playlists)),
  };
  const paths = {
    ...(options.metrics === undefined ? {} : { readMetrics: options.metrics.path }),
    ...(options.openApi === undefined ? {} : { readOpenApi: options.openApi.path }),
    ...(options.health === undefined
      ? {}
      : { readHealth: options.health.path, readReadiness: `${options.health.path}/${READY_SEGMENT}` }),
  };
  const served = Object.keys(handlers) as RouteName[];
  const handle = createRequestHandler({
    handlers: { ...handlers, ...(options.openApi === undefined ? {} : openApiRoutes({ served, paths })) },
    paths,
    authorize,
    peers: cluster ?? new LoneNode(parts.clock, (streamId) => registry.find(streamId)?.state),
    checkRight,
    rates,
    cors,
    onServerError,
    onAnswered: (answered) => metrics.countRequest(answered),
  });
  const upgrades = new WebSocketUpgrades({
    basePath: options.basePath,
    clock: parts.clock,
    authorize,
    peers: cluster,
    checkRight,
    cors,
    trustProxy,
    accept: async (streamId, caller, viewerId) => {
      rates.takeJoin(caller);
      if (viewerId === undefined) registry.checkMayJoin(caller);
      return (await registry.open(streamId, caller)).prepareSocket(caller, viewerId);
    },
    openDebugger: options.cdp
      ? async (streamId, caller) => {
          rates.takeJoin(caller);
          const session = registry.page(streamId);
          return { path: await session.openDebugger(), release: session.holdDebugger() };
        }
      : undefined,
    webSignaling: web?.signaling,
    onServerError,
    onAnswered: (answered) => metrics.countRequest(answered),
  });
  registry.restoreTerminals();
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    upgrades.detach();
    cluster?.detach();
    // What does not end as it should must not keep what is behind it open.
    try {
      await registry.close();
      sessions.close();
      await upgrades.untilClosed();
    } finally {
      try {
        await Promise.all([store?.close(), webhooks?.close(), cluster?.close()]);
      } finally {
        await parts.mediaPlane.close();
        metrics.close();
      }
    }
  };
  const mount = { basePath: options.basePath, handle, clock: parts.clock };
  return Object.assign(createNodeHandler(mount), {
    fetch: createFetchHandler(mount),
    koa: () => createKoaMiddleware(mount),
    fastify: () => createFastifyPlugin(mount),
    attach: upgrades.attach.bind(upgrades),
    sessions,
    profiles,
    createStreamToken,
    recordings: (streamId: string) => recordings?.listWithPaths(streamId) ?? [],
    metrics: () => metrics.read(),
    metricsContentType: metrics.contentType,
    health,
    drain: () => registry.drain(),
    close: () => (closing ??= close()),
  });
}
