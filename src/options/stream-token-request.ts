import type { ViewerRole } from '../protocol/rights.js';
import type { StreamTokenScope } from '../protocol/token-scopes.js';

/** What `createStreamToken` is asked for. */
export interface StreamTokenRequest {
  /** The one session that the token is good for. */
  streamId: string;
  /**
   * `state`: `GET /:id` and `GET /:id/diagnostics`; `sse`, `signal`, `snapshot`, `whep`, `hls`: the routes of that name;
   * `recordings`: to list and fetch them; `stream`: the WebSocket;
   * `cdp`: the DevTools protocol. No token creates, records or ends anything. Default
   * `['sse', 'signal']`.
   */
  scope?: readonly StreamTokenScope[];
  /** What the viewers may become that it is used for. Default `viewer`. */
  role?: ViewerRole;
  /** How long it is good, seconds, 1–86400. Default: `streamTokens.lifetimeSeconds`. */
  expiresInSeconds?: number;
  /** As in the result of `validateRequest`. */
  callerId?: string;
  /** As in the result of `validateRequest`; JSON. Whoever has the token can read it. */
  callerContext?: Record<string, unknown>;
}
