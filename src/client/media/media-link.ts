import { ConnectPatience } from '../connection/connect-patience.js';
import { Peer } from '../connection/peer.js';
import type { PeerReport } from '../diagnose/peer-report.js';
import type { ServerSignal } from '../connection/server-signal.js';
import { SignalOutbox } from '../connection/signal-outbox.js';
import type { SendSignal } from '../connection/signaling.js';
import type { StreamError } from '../connection/stream-error.js';

/** What a {@link MediaLink} tells its owner. */
export interface MediaLinkListener {
  /** There is a stream to show, again for each new peer; its tracks come in as they arrive. */
  onMedia(stream: MediaStream): void;
  onTrack(track: MediaStreamTrack): void;
  onPeerState(state: RTCPeerConnectionState): void;
  onInputMessage(text: string): void;
  /** It does not come up in time, as where UDP is blocked; it may yet. */
  onStalled(): void;
  /** This viewer gets no media any more; another one may. At most once. */
  onLost(error: StreamError): void;
}

/** The signals of the server that concern media. */
export type MediaSignal = Extract<ServerSignal, { type: 'ice_servers' | 'sdp_offer' | 'ice_candidate' }>;

/** The media of one viewer: its peer, and the signals that the peer sends to the server. */
export class MediaLink {
  #iceServers: RTCIceServer[];
  /** Another one may take over. */
  listener: MediaLinkListener;
  readonly #outbox: SignalOutbox;
  readonly #patience: ConnectPatience;
  #peer: Peer;
  #closed = false;

  /** @throws StreamError `webrtc_unsupported`. */
  constructor(iceServers: RTCIceServer[], send: SendSignal, listener: MediaLinkListener) {
    this.#iceServers = iceServers;
    this.listener = listener;
    this.#outbox = new SignalOutbox(send, (type, error) => {
      // A restart that is refused may have been overtaken by an offer; a lost candidate costs a path.
      if (error.code === 'no_such_viewer' || type === 'sdp_answer' || type === 'request_offer')
        this.#lose(error);
      else if (type === 'ice_restart') this.#peer.restartRefused();
    });
    this.#patience = new ConnectPatience(() => this.listener.onStalled());
    this.#peer = this.#openPeer();
  }

  get stream(): MediaStream {
    return this.#peer.stream;
  }

  /** Tracks that come from here on come into it. */
  set stream(stream: MediaStream) {
    this.#peer.stream = stream;
  }

  /** The server is to make an offer, with a new peer of its own. */
  requestOffer(): void {
    this.#outbox.enqueue('request_offer');
  }

  /** What the server says to this end of the connection. */
  accept(signal: MediaSignal): void {
    switch (signal.type) {
      case 'ice_servers':
        this.#setIceServers(signal.iceServers);
        break;
      case 'sdp_offer':
        this.#acceptOffer(signal.sdp);
        break;
      case 'ice_candidate':
        this.#peer.acceptCandidate(signal.candidate);
        break;
    }
  }

  /** The event stream broke off; the media may well go on. */
  signalingLost(): void {
    this.#outbox.hold();
    this.#patience.hold();
    this.#peer.signalingLost();
  }

  /** The event stream is open again, and the viewer the same. */
  signalingRestored(iceServers: RTCIceServer[]): void {
    this.#setIceServers(iceServers);
    this.#outbox.release();
    this.#patience.offered();
    this.#peer.signalingRestored();
  }

  /** The network has changed, or the page is back. */
  wake(): void {
    this.#peer.wake();
  }

  sendInput(text: string, maxWaitingBytes?: number): boolean {
    return this.#peer.sendInput(text, maxWaitingBytes);
  }

  getStats(): Promise<RTCStatsReport> {
    return this.#peer.getStats();
  }

  report(): PeerReport {
    return this.#peer.report();
  }

  /** Idempotent. Nothing is reported any more, and no request is left. */
  close(): void {
    this.#closed = true;
    this.#patience.hold();
    this.#outbox.close();
    this.#peer.close();
  }

  #setIceServers(iceServers: RTCIceServer[]): void {
    this.#iceServers = iceServers;
    this.#peer.setIceServers(iceServers);
  }

  #acceptOffer(sdp: string): void {
    if (this.#peer.isForAnother(sdp)) {
      this.#peer.close();
      this.#peer = this.#openPeer();
      this.listener.onMedia(this.#peer.stream);
    }
    this.#peer.acceptOffer(sdp);
    this.#patience.offered();
  }

  #openPeer(): Peer {
    return new Peer(this.#iceServers, {
      onAnswer: (sdp) => this.#outbox.enqueue('sdp_answer', sdp),
      onIceCandidate: (candidate) => this.#outbox.enqueue('ice_candidate', candidate),
      onIceRestartWanted: () => this.#outbox.enqueue('ice_restart'),
      onTrack: (track) => this.listener.onTrack(track),
      onConnectionStateChange: (state) => {
        this.listener.onPeerState(state);
        this.#patience.stateChanged(state);
      },
      onInputMessage: (text) => this.listener.onInputMessage(text),
      onFailed: (error) => this.#lose(error),
    });
  }

  #lose(error: StreamError): void {
    if (this.#closed) return;
    this.close();
    this.listener.onLost(error);
  }
}
