import type { VideoCodec } from '../../protocol/video-codecs.js';
import type { CreateSessionRequest, RequestHeaders } from './signaling.js';
import type { StreamError } from './stream-error.js';
import type { ConnectionStatus, StateChange } from './stream-events.js';

/** Options of `connectStream`. Exactly one of `streamId` and `create` is given. */
export interface ConnectStreamOptions {
  /** Where the router is mounted, such as `/stream` or `https://host/stream`. */
  url: string;
  /** Joins this session. */
  streamId?: string | undefined;
  /** Creates a session and joins it. */
  create?: CreateSessionRequest | undefined;
  /** Headers for every request, such as `authorization`, or a function that makes them. */
  headers?: RequestHeaders | undefined;
  /** Of every request. Default `same-origin`. */
  credentials?: RequestCredentials | undefined;
  /** The one codec to be offered. Default: what the session offers. */
  videoCodec?: VideoCodec | undefined;
  /** Bound of the picture's height in pixels, for a small screen or a slow line. */
  maxHeight?: number | undefined;
  /** Bound of the picture's bit rate, bits/s, for a metered line. */
  maxBitrateBps?: number | undefined;
  /** `none`: state and messages only. Default: picture and sound. */
  media?: 'none' | undefined;
  /**
   * How media comes. `auto`: by WebRTC, and over the WebSocket where that does not stand 5 s after the server's offer, as
   * where UDP is blocked. Default `auto`.
   */
  transport?: 'auto' | 'webrtc' | 'websocket' | undefined;
  /**
   * Loads the package `livekit-client` if the server sends this viewer to LiveKit: `() => import('…/livekit-client.esm.mjs')`. Default
   * `import('livekit-client')`, which needs a bundler or an import map. `false`: it is not to be sent there.
   */
  livekit?: (() => Promise<unknown>) | false | undefined;
  /**
   * Sent as `?token=` with the WebSocket, which can have no headers: a stream token of scope `stream`, or a function that gets
   * one for each connection. Default none; cookies are sent.
   */
  token?: string | (() => string | Promise<string>) | undefined;
  /** Shows the stream. Without it, take the stream from the `media` event. */
  video?: HTMLVideoElement | undefined;
  /**
   * When a change of the state is told. `arrival`: when it comes. `picture`: when the first picture that was captured after the
   * page made it is on the screen of `video`, or after half a second without such a picture. Default `arrival`.
   */
  timing?: 'arrival' | 'picture' | undefined;
  onState?: ((change: StateChange) => void) | undefined;
  onStatus?: ((status: ConnectionStatus) => void) | undefined;
  onError?: ((error: StreamError) => void) | undefined;
  /** Default the global fetch. */
  fetch?: typeof fetch | undefined;
}

/** @throws TypeError when not exactly one of `streamId` and `create` is given. */
export function checkStreamOptions({ streamId, create }: ConnectStreamOptions): void {
  if ((streamId === undefined) === (create === undefined)) {
    throw new TypeError('connectStream needs either streamId or create');
  }
}
