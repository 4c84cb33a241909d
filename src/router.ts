import { randomBytes, randomUUID } from 'node:crypto';

import { createOpenCapture } from './capture/open-capture.js';
import { systemClock } from './clock.js';
import { openAudioEncodeThread } from './encode/audio-encode-thread.js';
import { openVideoEncodeThread } from './encode/video-encode-thread.js';
import { asError } from './errors.js';
import { openMediaPlane } from './fanout/open-media-plane.js';
import type { NodeHandler } from './http/node-adapter.js';
import { createNodeHandler } from './http/node-adapter.js';
import { createRequestHandler } from './http/request-handler.js';
import { sessionRoutes } from './http/session-routes.js';
import type { ResolvedOptions, StreamKitOptions } from './options.js';
import { resolveOptions } from './options.js';
import { H264Payloader } from './packetize/h264-payloader.js';
import { OpusPayloader } from './packetize/opus-payloader.js';
import { Vp8Payloader } from './packetize/vp8-payloader.js';
import { createViewerPeerFactory } from './peer/werift-viewer-peer.js';
import type { IdSource, SessionParts } from './session/session-parts.js';
import { SessionRegistry } from './session/session-registry.js';

/** What `createStreamKitRouter` returns: a request handler that can be closed. */
export interface StreamKitRouter extends NodeHandler {
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
 * Express, Connect or a plain `node:http` server.
 *
 * @throws StreamKitError `bad_option` with one sentence for the first option that is wrong or unknown; `unavailable`
 * where the UDP port is taken; `internal` where the native media plane is built but broken.
 */
export function createStreamKitRouter<TEnv = unknown>(options: StreamKitOptions<TEnv> = {}): StreamKitRouter {
  const resolved = resolveOptions(options);
  const { logger, announcedAddresses, lipSync } = resolved;
  const listenAddress = resolved.listenAddress === undefined ? {} : { listenAddress: resolved.listenAddress };
  const clock = systemClock;
  const mediaPlane = openMediaPlane({
    mediaPlane: resolved.mediaPlane,
    udpPort: resolved.udpPort,
    ...listenAddress,
    clock,
    logger: logger.child({ room: 'fanout' }),
  });
  return composeRouter(resolved, {
    openCapture: createOpenCapture({
      launchOptions: resolved.puppeteerLaunchOptions,
      capture: resolved.capture,
      launchTimeoutMs: resolved.launchTimeoutMs,
      logger: logger.child({ room: 'capture' }),
    }),
    openVideoEncodeThread,
    openAudioEncodeThread,
    createVideoPayloader: (codec) => (codec === 'h264' ? new H264Payloader() : new Vp8Payloader()),
    createAudioPayloader: () => new OpusPayloader(),
    mediaPlane,
    openViewerPeer: createViewerPeerFactory({
      mediaPlane,
      logger: logger.child({ room: 'peer' }),
      ...listenAddress,
      announcedAddresses,
      lipSync,
      clock,
    }),
    clock,
    logger: logger.child({ room: 'session' }),
    ids: randomIds,
  });
}

/** Wires sessions and routes around given parts. */
export function composeRouter<TEnv>(options: ResolvedOptions<TEnv>, parts: SessionParts): StreamKitRouter {
  const reportError = errorReporter(options);
  const registry = new SessionRegistry({
    parts,
    settings: options,
    maxSessions: options.maxSessions,
    onSessionError: reportError,
  });
  const handle = createRequestHandler({
    routes: sessionRoutes({
      registry,
      defaults: { viewport: options.defaultViewport, maxBitrateBps: options.maxBitrateBps },
      logger: options.logger,
    }),
    options,
    onServerError: (thrown, streamId) => {
      const error = asError(thrown);
      options.logger.error({ err: error, streamId }, 'request failed');
      reportError(error, streamId);
    },
  });
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    await registry.close();
    await parts.mediaPlane.close();
  };
  return Object.assign(createNodeHandler(options.basePath, handle, parts.clock), {
    close: () => (closing ??= close()),
  });
}

/** The application's `onError`; what goes wrong in it must not take the server with it. */
function errorReporter<TEnv>(
  options: ResolvedOptions<TEnv>,
): (error: Error, streamId: string | undefined) => void {
  const onThrown = (thrown: unknown): void => {
    options.logger.error({ err: asError(thrown) }, 'onError threw');
  };
  return (error, streamId) => {
    try {
      // It may be an async function, whatever its type says.
      Promise.resolve(options.onError?.(error, streamId)).catch(onThrown);
    } catch (thrown) {
      onThrown(thrown);
    }
  };
}
