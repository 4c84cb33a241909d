import type { Clock } from '../base/clock.js';
import { asError } from '../base/errors.js';
import type { ResolvedOptions } from '../options/stream-kit-options.js';
import { type Caller, callerBindings } from '../session/caller.js';
import { createAuthorize, createRightCheck } from './authorization.js';
import { CorsPolicy } from './cors-policy.js';
import type { PeerNodes } from './peer-nodes.js';
import { type AnsweredRequest, createRequestHandler, type Mount } from './request-handler.js';
import { routerRoutes, type RouterRoutesOptions, type RouterRoutesParts } from './router-routes.js';
import type { StreamTokens } from './stream-tokens.js';
import { WebSocketUpgrades } from './websocket-upgrades.js';

/** The options of the room. */
export type HttpOptions<TEnv> = RouterRoutesOptions &
  Pick<ResolvedOptions<TEnv>, 'allowAnonymous' | 'basePath' | 'cors' | 'getEnv' | 'validateRequest'>;

export interface HttpParts extends Omit<RouterRoutesParts, 'onServerError'> {
  readonly tokens: StreamTokens | undefined;
  /** This node. */
  readonly node: Pick<PeerNodes, 'answer' | 'checkHere' | 'passedCaller' | 'whenCertain'>;
  /** It again, where there are others. */
  readonly cluster: PeerNodes | undefined;
  readonly onAnswered: (answered: AnsweredRequest) => void;
  readonly clock: Clock;
}

/** What answers clients. */
export interface Http {
  readonly mount: Mount;
  readonly upgrades: WebSocketUpgrades;
}

export function openHttp<TEnv>(options: HttpOptions<TEnv>, parts: HttpParts): Http {
  const { sessions, tokens, node, cluster, rates, seats, clock, onAnswered } = parts;
  const { registry, creatorOf, reportError } = sessions;
  const { basePath, logger, trustProxy } = options;
  if (options.allowAnonymous) {
    logger.warn({}, 'allowAnonymous is set: everybody may create a session');
  } else if (options.validateRequest === undefined) {
    logger.info({}, 'there is no validateRequest: only clients of this machine are answered');
  }
  const onServerError = (thrown: unknown, streamId?: string, caller?: Caller): void => {
    const error = asError(thrown);
    const bindings = caller === undefined ? {} : callerBindings(caller);
    logger.error({ err: error, streamId, ...bindings }, 'request failed');
    reportError(error, streamId, caller?.context);
  };
  const cors = new CorsPolicy(options.cors, (error) => {
    logger.error({ err: error }, 'cors.origins threw');
    reportError(error, undefined, undefined);
  });
  const authorize = createAuthorize(options, { tokens, creatorOf, logger });
  const checkRight = createRightCheck(creatorOf);
  const { handlers, paths, web } = routerRoutes(options, { ...parts, onServerError });
  const answering = { authorize, checkRight, cors, onServerError, onAnswered };
  const handle = createRequestHandler({ ...answering, handlers, paths, peers: node, rates });
  const upgrades = new WebSocketUpgrades({
    ...answering,
    ...{ basePath, clock, trustProxy },
    peers: cluster,
    accept: async (streamId, caller, viewerId) => {
      await rates.takeJoin(caller);
      if (viewerId === undefined) registry.checkMayJoin(caller);
      const session = await registry.open(streamId, caller);
      // The WebSocket is taken in this turn of the event loop, if at all.
      if (viewerId === undefined) setImmediate(await seats.hold('viewers', caller));
      return session.prepareSocket(caller, viewerId);
    },
    openDebugger: options.cdp
      ? async (streamId, caller) => {
          await rates.takeJoin(caller);
          const session = registry.page(streamId);
          return { path: await session.openDebugger(), release: session.debuggers.hold() };
        }
      : undefined,
    webSignaling: web?.signaling,
  });
  return { mount: { basePath, handle, clock }, upgrades };
}
