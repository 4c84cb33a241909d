import type { PeerPath } from '../protocol/session-diagnostics.js';
import type { StreamKitError } from '../base/errors.js';
import type { IceServerOption } from '../options/ice-server-options.js';
import type { LogContext } from '../base/logger.js';
import type { VideoCodec } from '../render/encode/encoded-frame.js';
import type { ConsumerParameters, MediaTransport } from '../fanout/media-plane.js';

/** RTCIceCandidateInit of the W3C. */
export interface IceCandidateInit {
  readonly candidate?: string;
  readonly sdpMid?: string | null;
  readonly sdpMLineIndex?: number | null;
  readonly usernameFragment?: string | null;
}

export interface ViewerPeerParameters {
  /** Codecs to offer, best first; the viewer's answer picks one. */
  readonly videoCodecs: readonly VideoCodec[];
  readonly audio: boolean;
  /** Whether to offer the data channel `input`, ordered and reliable. Default false. */
  readonly input?: boolean;
  /** Names of the layers in which the pictures are offered, the best first (RFC 8853); two or more. Default: one stream is offered. */
  readonly simulcast?: readonly [string, string, ...string[]] | undefined;
  readonly iceServers: readonly IceServerOption[];
  /** Names the viewer in the log. Default: nothing does. */
  readonly logContext?: LogContext;
  /** RFC 8445 section 6.1.1. Default: the role of who offers. */
  readonly iceRole?: 'controlling' | 'controlled';
}

/** What the answer and the handshake came to. */
export interface ConnectedMedia {
  readonly transport: MediaTransport;
  readonly videoCodec: VideoCodec;
  readonly video: ConsumerParameters;
  /** Each layer of a simulcast that was accepted, the best first, which is in place of `video`. Absent: there is no simulcast. */
  readonly layers?: readonly ConsumerParameters[];
  readonly audio: ConsumerParameters | null;
}

/** The open data channel `input`. */
export interface InputChannel {
  /** Of text that waits to be sent. */
  readonly backlogBytes: number;
  /** What is sent on a channel that is closed is dropped. */
  send(text: string): void;
  /** Idempotent. The peer goes on. */
  close(): void;
}

export interface ViewerPeerListener {
  /** The data channel is open; at most once. */
  onInputOpen?(channel: InputChannel): void;
  /** A text message of it, at most 64 KiB. */
  onInputMessage?(text: string): void;
  /** It is closed, by whichever side. */
  onInputClosed?(): void;
  onOffer(sdp: string): void;
  onIceCandidate(candidate: IceCandidateInit | null): void;
  /** ICE and DTLS are up; called once. */
  onConnected(media: ConnectedMedia): void;
  onIceStateChange(state: 'checking' | 'connected' | 'disconnected' | 'failed' | 'closed'): void;
  /** The viewer has closed the connection, and the peer itself. At most once; nothing comes after it. */
  onLeft(): void;
  /** The peer cannot go on and has closed itself. At most once; nothing comes after it. */
  onFailed(error: StreamKitError): void;
}

/** One viewer's WebRTC peer, which offers. */
export interface ViewerPeer {
  readonly path: PeerPath;
  /** Makes the offer and begins to gather. */
  start(): Promise<void>;
  /**
   * @throws StreamKitError `conflict` with no offer outstanding, `unprocessable` for an SDP that is no answer to
   * it or accepts no offered video codec; the peer is then as before.
   */
  acceptAnswer(sdp: string): Promise<void>;
  /** `null`: no more will come. @throws StreamKitError `unprocessable` for what is no candidate. */
  addIceCandidate(candidate: IceCandidateInit | null): Promise<void>;
  /**
   * Sends a new offer with new ICE credentials; on the native plane media goes on over the old pair until the new one is
   * up.
   *
   * @param renewIceServers - called where ICE can be restarted: the servers to use from now on. Default: those of before.
   * @throws StreamKitError `conflict` before the first connection, and while an offer is outstanding.
   */
  restartIce(renewIceServers?: () => Promise<readonly IceServerOption[]>): Promise<void>;
  /** Idempotent. Closes the media transport and the peer. */
  close(): Promise<void>;
}

export type OpenViewerPeer = (parameters: ViewerPeerParameters, listener: ViewerPeerListener) => ViewerPeer;

export interface AnsweringPeerParameters extends Omit<ViewerPeerParameters, 'iceRole'> {
  /** The player's SDP. `videoCodecs` are what may be chosen from it, best first. */
  readonly offer: string;
}

/** The peer of a player that offers by itself (WHEP). Its listener hears neither offers nor candidates but the end. */
export interface AnsweringPeer extends ViewerPeer {
  /** The answer, with every candidate in it. Rejects where there is none. */
  answer(): Promise<string>;
  /** Whether a fragment has other ICE credentials than the player now has. @throws StreamKitError `unprocessable` */
  isRestart(fragment: string): boolean;
  /** Takes the candidates of a fragment; unusable ones are dropped. @throws StreamKitError `unprocessable` */
  trickle(fragment: string): Promise<void>;
  /**
   * Restarts ICE.
   *
   * @returns a fragment with our new credentials and candidates.
   * @throws StreamKitError `conflict` before the first connection, `unprocessable`; the connection is then as before.
   */
  restart(fragment: string): Promise<string>;
}

/** @throws StreamKitError `unprocessable` for an offer that cannot be served. */
export type OpenAnsweringPeer = (
  parameters: AnsweringPeerParameters,
  listener: ViewerPeerListener,
) => AnsweringPeer;
