import type { MediaDiagnostics } from '../protocol/session-diagnostics.js';
import { asError, StreamKitError } from '../base/errors.js';
import { SerialQueue } from '../base/serial-queue.js';
import type { IceServerOption } from '../options/ice-server-options.js';
import type {
  ConnectedMedia,
  IceCandidateInit,
  OpenViewerPeer,
  ViewerPeer,
  ViewerPeerParameters,
} from '../peer/viewer-peer.js';
import { customSignal } from './server-sent-event.js';
import { NO_SHARE } from './session-diagnostics.js';
import type { MediaShare } from './media-share.js';
import type { SessionMedia } from './session-media.js';
import type { InputListener } from './viewer-input.js';
import { NO_LIMITS, type ViewerLimits } from './viewer-limits.js';
import type { ConnectionLog, ViewerLog } from './viewer-log.js';

export interface ViewerMediaListener {
  /** Sends one event to the viewer. False: there is no connection to send it on. */
  sendSignal(event: Uint8Array): boolean;
  /** What becomes of the data channel. Default: there is none. */
  readonly input?: InputListener;
  /** `state` or `candidatesGathered` has changed. */
  onMediaChange(): void;
  /** Calls back with the session's media once the page is captured, now or later; never where that fails. */
  whenLive(work: (media: Pick<SessionMedia, 'attach'>) => void): void;
}

/** Most signals of one viewer that wait for the one before them. */
const MAX_WAITING_SIGNALS = 32;
/** Most signals kept for a viewer that comes back: an offer and its candidates are a dozen. */
const MAX_KEPT_SIGNALS = 64;

/** One viewer's peer, the signalling with it and its share of the session's media. */
export class ViewerMedia {
  readonly #listener: ViewerMediaListener;
  #limits: ViewerLimits;
  readonly #log: ViewerLog;
  readonly #connection: ConnectionLog;
  readonly #peer: ViewerPeer;
  #share: MediaShare | undefined;
  /** What ICE says; the state follows once there is a share. */
  #reachable = true;
  #state: 'negotiating' | 'connected' | 'closed' = 'negotiating';
  #candidatesGathered = false;
  #wasConnected = false;
  /** The last offer and every candidate since. */
  #signals: Uint8Array[] = [];
  /** How many of `#signals` went out on a connection. */
  #sentSignals = 0;
  #answered = false;
  /** The viewer's signals, one after the other: an answer must be in place before its candidates. */
  readonly #work = new SerialQueue({
    most: MAX_WAITING_SIGNALS,
    sentence: 'Too many signals are waiting for this viewer',
  });

  constructor(
    openViewerPeer: OpenViewerPeer,
    parameters: ViewerPeerParameters,
    listener: ViewerMediaListener,
    log: ViewerLog,
    limits: ViewerLimits = NO_LIMITS,
  ) {
    this.#listener = listener;
    this.#limits = limits;
    this.#log = log;
    this.#connection = log.offer();
    const { logContext } = log;
    this.#peer = openViewerPeer(
      { ...parameters, logContext, input: listener.input !== undefined },
      {
        ...listener.input,
        onOffer: (sdp) => this.#onOffer(sdp),
        onIceCandidate: (candidate) => this.#onIceCandidate(candidate),
        // ICE and DTLS take their time, and so does the browser: the one does not wait for the other.
        onConnected: (connected) => {
          this.#wasConnected = true;
          this.#connection.connected(connected.videoCodec);
          listener.whenLive((media) => this.#attach(media, connected));
        },
        onIceStateChange: (state) => {
          if (state === 'failed' || state === 'disconnected') listener.input?.onUnreachable();
          if (state === 'failed') this.#setReachable(false);
          if (state === 'connected') this.#setReachable(true);
        },
        onLeft: () => void this.#end(),
        onFailed: (error) => void this.#fail(error),
      },
    );
  }

  get state(): 'negotiating' | 'connected' | 'closed' {
    return this.#state;
  }

  get diagnostics(): MediaDiagnostics {
    const share = this.#share?.diagnostics() ?? NO_SHARE;
    return { media: this.#state, ice: this.#peer.path, ...share };
  }

  /** It has been connected, whatever it is now. */
  get wasConnected(): boolean {
    return this.#wasConnected;
  }

  get candidatesGathered(): boolean {
    return this.#candidatesGathered;
  }

  /** The viewer gets no more than this from now on. */
  setLimits(limits: ViewerLimits): void {
    this.#limits = limits;
    this.#share?.setLimits(limits);
  }

  /** Makes the offer. A peer that cannot is closed; the viewer still has the state. */
  async start(): Promise<void> {
    try {
      await this.#peer.start();
    } catch (thrown) {
      await this.#fail(asError(thrown));
    }
  }

  /**
   * For a viewer that has come back: what it cannot have seen. An offer without an answer goes out again, because
   * the connection may have been lost with the offer on it.
   */
  resendSignals(): void {
    const first = this.#answered ? this.#sentSignals : 0;
    for (const event of this.#signals.slice(first)) this.#listener.sendSignal(event);
    this.#sentSignals = this.#signals.length;
  }

  /** @throws StreamKitError as {@link ViewerPeer.acceptAnswer}, or `at_capacity`. */
  acceptAnswer(sdp: string): Promise<void> {
    return this.#inOrder(async () => {
      await this.#peer.acceptAnswer(sdp);
      this.#answered = true;
    });
  }

  /** @throws StreamKitError as {@link ViewerPeer.addIceCandidate}, or `at_capacity`. */
  addIceCandidate(candidate: IceCandidateInit | null): Promise<void> {
    return this.#inOrder(() => this.#peer.addIceCandidate(candidate));
  }

  /** @throws StreamKitError as {@link ViewerPeer.restartIce}, or `at_capacity`. */
  restartIce(renewIceServers: () => Promise<readonly IceServerOption[]>): Promise<void> {
    return this.#inOrder(() => this.#peer.restartIce(renewIceServers));
  }

  /** Idempotent. */
  async close(): Promise<void> {
    this.#state = 'closed';
    this.#share?.close();
    this.#share = undefined;
    this.#listener.input?.onInputClosed();
    await this.#peer.close();
  }

  #inOrder(work: () => Promise<void>): Promise<void> {
    return this.#work.run(async () => {
      if (this.#state === 'closed') {
        throw new StreamKitError('conflict', 'The viewer has no WebRTC connection');
      }
      await work();
    });
  }

  #onOffer(sdp: string): void {
    this.#signals = [];
    this.#sentSignals = 0;
    this.#answered = false;
    this.#candidatesGathered = false;
    this.#keepAndSend(customSignal('sdp_offer', sdp));
  }

  #onIceCandidate(candidate: IceCandidateInit | null): void {
    this.#keepAndSend(customSignal('ice_candidate', candidate));
    if (candidate !== null || this.#candidatesGathered) return;
    this.#candidatesGathered = true;
    this.#listener.onMediaChange();
  }

  #keepAndSend(event: Uint8Array): void {
    if (this.#signals.length < MAX_KEPT_SIGNALS) this.#signals.push(event);
    if (this.#listener.sendSignal(event)) this.#sentSignals = this.#signals.length;
  }

  #attach(media: Pick<SessionMedia, 'attach'>, connected: ConnectedMedia): void {
    if (this.#state === 'closed') return;
    try {
      this.#share = media.attach(connected, this.#limits, () =>
        this.#connection.firstFrame(connected.videoCodec),
      );
    } catch (thrown) {
      void this.#fail(asError(thrown));
      return;
    }
    this.#setReachable(this.#reachable);
  }

  /** ICE can fail and come back by a restart; in between nothing is sent and no encoder runs for it. */
  #setReachable(reachable: boolean): void {
    this.#reachable = reachable;
    if (this.#state === 'closed' || this.#share === undefined) return;
    this.#share.setActive(reachable);
    this.#state = reachable ? 'connected' : 'negotiating';
    this.#listener.onMediaChange();
  }

  async #fail(error: Error): Promise<void> {
    if (this.#state === 'closed') return;
    this.#connection.failed(error);
    await this.#end();
  }

  async #end(): Promise<void> {
    if (this.#state === 'closed') return;
    const closed = this.close();
    this.#listener.onMediaChange();
    await closed.catch((thrown: unknown) => {
      this.#log.logger.warn({ err: asError(thrown) }, 'viewer peer did not close cleanly');
    });
  }
}
