import { randomBytes, randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

import { systemClock } from './base/clock.js';
import type { Logger } from './base/logger.js';
import { openMachineLoad } from './base/machine-load.js';
import { procCpuTimes } from './base/process-cpu-time.js';
import { LoneNode } from './cluster/lone-node.js';
import { type ClusterRoomParts, openCluster } from './cluster/open-cluster.js';
import type { MediaPlane } from './fanout/media-plane.js';
import { openMediaPlane } from './fanout/open-media-plane.js';
import { planRungs } from './fanout/rung-planner.js';
import type { DrainRequest } from './protocol/drain-request.js';
import { createCallerRates } from './http/caller-rates.js';
import { LONE_SEATS } from './http/caller-seats.js';
import { createFastifyPlugin } from './http/fastify-adapter.js';
import { createFetchHandler } from './http/fetch-adapter.js';
import { createKoaMiddleware } from './http/koa-adapter.js';
import { createNodeHandler } from './http/node-adapter.js';
import { openHttp } from './http/open-http.js';
import type { StreamKitRouter } from './http/stream-kit-router.js';
import { StreamTokens, tokenMaker } from './http/stream-tokens.js';
import { createRemoteControl } from './input/remote-control.js';
import { openObservation } from './observe/open-observation.js';
import { NO_GAUGES, type RouterGauges } from './observe/router-gauges.js';
import { resolveOptions, type ResolvedOptions, type StreamKitOptions } from './options/stream-kit-options.js';
import { openOverflow } from './overflow/open-overflow.js';
import { openPeers } from './peer/open-peers.js';
import { ProfileStore } from './profiles/profile-store.js';
import { type MuxThreads, workerMuxThreads } from './recording/mux-threads.js';
import { openPublishing } from './publish/open-publishing.js';
import { openRecording } from './recording/open-recording.js';
import { EncoderSelection } from './render/encode/encoder-selection.js';
import { openRenders, type Renders } from './render/open-renders.js';
import { CpuMeter } from './session/cpu-meter.js';
import { type RouterParts, openSessions } from './session/open-sessions.js';
import type { IdSource } from './session/session-parts.js';
import { openTerminals } from './terminal/open-terminals.js';

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
  const clock = systemClock;
  const inRoom = loggers(resolved.logger);
  const { encoder: choice, encoderDevice: device, ffmpegPath } = resolved;
  const encoders = new EncoderSelection({ choice, device, ffmpegPath, logger: inRoom('encode') });
  let mediaPlane: MediaPlane | undefined;
  let renders: Renders | undefined;
  try {
    mediaPlane = openMediaPlane({ ...resolved, clock, logger: inRoom('fanout') });
    const peers = openPeers(resolved, { mediaPlane, clock, logger: inRoom('peer') });
    const opened = openRenders(resolved, { encoders, mediaPlane, clock, logger: inRoom('render') });
    renders = opened;
    const { pool } = opened.parts;
    const parts: RouterParts = {
      ...opened.parts,
      ...peers,
      ...{ mediaPlane, planRungs, clock },
      openRemoteControl: createRemoteControl(resolved.control, clock),
      machine: openMachineLoad(),
      drawsOnGpu: opened.drawsOnGpu,
      cpu: new CpuMeter(clock, procCpuTimes),
      logger: inRoom('session'),
      ids: randomIds,
    };
    const router = composeRouter(resolved, parts, workerMuxThreads, {
      encoderFound: () => encoders.chosen,
      deviceEncodings: () => encoders.seats.encodings,
      egressRefusals: () => opened.egressRefusals.counts,
      pool: pool && (() => ({ ...pool.counts, preloads: opened.preloads })),
    });
    const close = router.close.bind(router);
    return Object.assign(router, {
      close: async () => {
        encoders.close();
        await close();
        await opened.close();
      },
    });
  } catch (thrown) {
    // A port that is taken, a folder that cannot be written: what was opened before must not outlive the attempt.
    encoders.close();
    void renders?.close();
    void mediaPlane?.close();
    throw thrown;
  }
}

/** Opens the rooms above given parts: sessions, those who watch over them, and the routes. */
export function composeRouter<TEnv>(
  options: ResolvedOptions<TEnv>,
  parts: RouterParts & Pick<ClusterRoomParts, 'directoryTimeoutMs'>,
  threads: MuxThreads = workerMuxThreads,
  gauges: RouterGauges = NO_GAUGES,
): StreamKitRouter {
  const { clock, mediaPlane, directoryTimeoutMs } = parts;
  const { profileDirectory, streamTokens } = options;
  const inRoom = loggers(options.logger);
  const recording = openRecording(options, { threads, clock, logger: inRoom('recording') });
  const terminals = openTerminals(options.terminal, clock, inRoom('terminal'));
  const publishing = openPublishing(options.publications, {
    ...{ openPeer: parts.openViewerPeer, clock },
    logger: inRoom('publish'),
  });
  const profiles =
    profileDirectory && new ProfileStore({ options: profileDirectory, clock, logger: inRoom('profiles') });
  const tokens = streamTokens && new StreamTokens(streamTokens, clock);
  const createToken = tokenMaker(tokens);
  const sessions = openSessions(options, {
    ...parts,
    publishing,
    recording,
    terminals,
    profiles,
    createToken,
    openOverflow: (readSentBytes) =>
      openOverflow(options.overflow, { readSentBytes, clock, logger: inRoom('overflow') }),
  });
  const { registry, recordings } = sessions;
  const cluster = openCluster(options, {
    ...{ sessions, clock, directoryTimeoutMs },
    logger: inRoom('cluster'),
  });
  const rates = createCallerRates(options.rateLimits, clock, cluster?.rates);
  const holdsLease = (): boolean => cluster?.holdsLease ?? true;
  const watched = { sessions, mediaPlane, gauges, rateRefusals: () => rates.refused, holdsLease, clock };
  const observation = openObservation(options, { ...watched, logger: inRoom('observe') });
  const { metrics, health } = observation;
  const drain = ({ move = false }: DrainRequest = {}): Promise<void> => {
    const drained = registry.drain();
    if (move) cluster?.moveSessions();
    return drained;
  };
  const { mount, upgrades } = openHttp(options, {
    ...{ sessions, tokens, rates, clock, cluster, seats: cluster?.seats ?? LONE_SEATS },
    ...observation,
    node: cluster ?? new LoneNode(clock, (streamId) => registry.find(streamId)?.state),
    announce: cluster && ((streamId) => cluster.announce(streamId)),
    receive: cluster && ((call) => cluster.receive(call)),
    drain,
    onAnswered: (answered) => metrics.countRequest(answered),
  });
  registry.restoreTerminals();
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    upgrades.detach();
    await cluster?.endMoves();
    cluster?.detach();
    // What does not end as it should must not keep what is behind it open.
    try {
      await registry.close();
      sessions.sessions.close();
      await upgrades.untilClosed();
    } finally {
      try {
        await Promise.all([recording.store?.close(), observation.close(), cluster?.close()]);
      } finally {
        await mediaPlane.close();
      }
    }
  };
  return Object.assign(createNodeHandler(mount), {
    fetch: createFetchHandler(mount),
    koa: () => createKoaMiddleware(mount),
    fastify: () => createFastifyPlugin(mount),
    attach: upgrades.attach.bind(upgrades),
    sessions: sessions.sessions,
    profiles: sessions.profiles,
    createStreamToken: createToken,
    recordings: (streamId: string) => recordings?.listWithPaths(streamId) ?? [],
    metrics: () => metrics.read(),
    metricsContentType: metrics.contentType,
    health,
    drain,
    close: () => (closing ??= close()),
  });
}

function loggers(logger: Logger): (room: string) => Logger {
  return (room) => logger.child({ room });
}
