import type { ViewerRole } from '../../protocol/rights.js';
import type { BlockedPlayback } from '../media/playback.js';
import type { StreamSessionStatus, StreamSessionState } from '../../protocol/state-document.js';
import type { PatchOperation } from './state-store.js';
import type { StreamError } from './stream-error.js';

/** Where a connection is: `failed` and `closed` are final. */
export type ConnectionStatus = 'creating' | 'connecting' | 'connected' | 'reconnecting' | 'closed' | 'failed';

export type { ViewerRole } from '../../protocol/rights.js';

/** How media comes: over UDP, or over TCP where UDP is blocked, or from the media server that this viewer was sent to. */
export type MediaTransportName = 'webrtc' | 'websocket' | 'overflow';

/** The session's state after a change. */
export interface StateChange {
  readonly state: StreamSessionState;
  /** What changed; the whole-document replace on a fresh connection. */
  readonly operations: readonly PatchOperation[];
}

/** Events of a StreamConnection by name. */
export interface StreamEvents {
  /** The server has made the session, or a session to join is known. */
  session: { readonly streamId: string };
  /** This connection's own status. */
  status: ConnectionStatus;
  /** The session's status changed. */
  sessionStatus: StreamSessionStatus;
  state: StateChange;
  /** This client as the server knows it; again after each reconnection. */
  viewer: { readonly viewerId: string; readonly role: ViewerRole };
  /** This viewer's role, or the viewer that has control (its public id; null: nobody), is another. */
  role: { readonly role: ViewerRole; readonly controllerId: string | null };
  /** Another viewer asks this one for control: `giveControl(publicId)`. */
  controlRequested: { readonly publicId: string };
  /** There is a stream to show; its tracks come in as they arrive. Again for every new peer. */
  media: MediaStream;
  track: MediaStreamTrack;
  peerState: RTCPeerConnectionState;
  /** Media comes this way from here on. From `websocket` there is no way back but another connection. */
  transport: MediaTransportName;
  /** What the page sent by `window.streamKit.send`. */
  message: unknown;
  /** What the server sent on the `input` data channel or the WebSocket: cursor, clipboard, errors. */
  input: unknown;
  /**
   * The browser wants a gesture first: for the `sound`, while the picture plays muted, or for the `picture` too. Call
   * `play()` from a click.
   */
  autoplayBlocked: BlockedPlayback;
  /** Something failed. The connection goes on unless `status` becomes `failed`. */
  error: StreamError;
  /** The end; once. `reason` is the server's, or `client` after close(). */
  closed: { readonly reason: string };
}
