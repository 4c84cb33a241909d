import { IceRecovery } from './ice-recovery.js';
import { minimizeDelay } from '../media/live-receiver.js';
import type { IceServerFailure, PeerReport } from '../diagnose/peer-report.js';
import { preferStereo } from './stereo-answer.js';
import { asStreamError, StreamError } from './stream-error.js';

/** What a {@link Peer} tells its owner. */
export interface PeerListener {
  onAnswer(sdp: string): void;
  /** A local candidate, never before the answer it belongs to; null when there are no more. */
  onIceCandidate(candidate: RTCIceCandidateInit | null): void;
  onIceRestartWanted(): void;
  onTrack(track: MediaStreamTrack): void;
  onConnectionStateChange(state: RTCPeerConnectionState): void;
  /** A text message of the server on the `input` data channel. */
  onInputMessage(text: string): void;
  /** The peer cannot go on and is closed. At most once. */
  onFailed(error: StreamError): void;
}

/** Failures of ICE servers that are kept: a browser tells one for each server and network interface. */
const MAX_SERVER_FAILURES = 16;

/**
 * The viewer's end of the WebRTC connection. The server always offers; remote descriptions and candidates are
 * applied one after the other in the order they came, for a candidate may only follow its description.
 */
export class Peer {
  /** Holds the tracks of this peer; a `<video>` element may show it from the start. */
  stream = new MediaStream();
  readonly #listener: PeerListener;
  readonly #connection: RTCPeerConnection;
  readonly #recovery: IceRecovery;
  #relayServers: string[];
  readonly #openedAtMs = performance.now();
  #operations: Promise<void> = Promise.resolve();
  /** Local candidates found while an answer is not handed over yet. */
  #heldCandidates: (RTCIceCandidateInit | null)[] | undefined;
  /** The newest offer that was taken. */
  #offerSdp = '';
  #input: RTCDataChannel | undefined;
  #serverFailures: IceServerFailure[] = [];
  #everConnected = false;
  #serverNamed = false;
  #iceStateSinceMs = performance.now();
  #closed = false;

  /** @throws StreamError `webrtc_unsupported` where the browser has no WebRTC. */
  constructor(iceServers: RTCIceServer[], listener: PeerListener) {
    if (typeof RTCPeerConnection === 'undefined') {
      throw new StreamError('webrtc_unsupported', 'This browser has no WebRTC');
    }
    this.#listener = listener;
    this.#relayServers = relaysAmong(iceServers);
    this.#connection = new RTCPeerConnection(configurationOf(iceServers));
    this.#recovery = new IceRecovery({
      onRestartWanted: () => listener.onIceRestartWanted(),
      onGaveUp: () =>
        this.#fail(
          new StreamError('ice_failed', 'No network path to the media server was found (ICE failed)'),
        ),
    });
    this.#listen();
  }

  get connectionState(): RTCPeerConnectionState {
    return this.#connection.connectionState;
  }

  /**
   * Whether an offer comes from another peer of the server than the one before: after a failure of its own the server
   * begins anew, with sources that this peer does not know.
   */
  isForAnother(sdp: string): boolean {
    const [known, offered] = [this.#offerSdp, sdp].map((text) => new Set(text.match(/^a=ssrc:\d+/gm)));
    return !!known?.size && !!offered?.size && [...offered].every((source) => !known.has(source));
  }

  /** For what is gathered from now on: with an ICE restart come new credentials for relays. */
  setIceServers(iceServers: RTCIceServer[]): void {
    this.#relayServers = relaysAmong(iceServers);
    this.#enqueue(() => {
      try {
        // What cannot change must be as it was.
        this.#connection.setConfiguration(configurationOf(iceServers));
      } catch {
        // An old browser cannot, or does not know a URL: it goes on with those of before.
      }
      return Promise.resolve();
    });
  }

  acceptOffer(sdp: string): void {
    // Sent again because the event stream was lost before the answer had arrived; the answer is on its way still.
    if (sdp === this.#offerSdp) return;
    this.#offerSdp = sdp;
    this.#serverNamed ||= sdp.includes('a=cand');
    this.#recovery.expectConnection();
    this.#enqueue(async () => {
      this.#heldCandidates = [];
      await this.#connection.setRemoteDescription({ type: 'offer', sdp });
      const answer = await this.#connection.createAnswer();
      const answerSdp = preferStereo(answer.sdp ?? '', sdp);
      if (/^m=video 0 /m.test(answerSdp)) {
        const codecs = new Set(sdp.match(/\b(H26[45]|VP[89]|AV1)(?=\/90000)/g));
        throw new StreamError(
          'no_codec',
          `This browser decodes none of the offered codecs (${[...codecs].join(', ')})`,
        );
      }
      await this.#connection.setLocalDescription({ type: 'answer', sdp: answerSdp });
      if (this.#isClosed()) return;
      this.#listener.onAnswer(answerSdp);
      this.#recovery.expectConnection();
      const held = this.#heldCandidates;
      this.#heldCandidates = undefined;
      for (const candidate of held) this.#listener.onIceCandidate(candidate);
    });
  }

  acceptCandidate(candidate: RTCIceCandidateInit | null): void {
    this.#serverNamed ||= Boolean(candidate?.candidate);
    this.#enqueue(async () => {
      try {
        await this.#connection.addIceCandidate(candidate ?? undefined);
      } catch {
        // One candidate of a kind this browser does not know costs a path, not the connection. If no other
        // path works either, ICE fails and says so.
      }
    });
  }

  /** The event stream broke off; the media may well go on. */
  signalingLost(): void {
    this.#recovery.signalingLost();
  }

  /** The event stream is open again after an interruption. */
  signalingRestored(): void {
    this.#recovery.signalingRestored();
  }

  /** The server has refused to restart ICE. */
  restartRefused(): void {
    this.#recovery.restartRefused();
  }

  /** The network has changed, or the page is back. */
  wake(): void {
    this.#recovery.hurry();
  }

  /** Sends text on the `input` data channel. @returns false while it is not open, or more bytes wait in it. */
  sendInput(text: string, maxWaitingBytes = Infinity): boolean {
    if (this.#input?.readyState !== 'open' || this.#input.bufferedAmount > maxWaitingBytes) return false;
    this.#input.send(text);
    return true;
  }

  getStats(): Promise<RTCStatsReport> {
    return this.#connection.getStats();
  }

  report(): PeerReport {
    const { connectionState, iceConnectionState } = this.#connection;
    const nowMs = performance.now();
    return {
      connectionState,
      iceState: iceConnectionState,
      iceStateMs: nowMs - this.#iceStateSinceMs,
      ageMs: nowMs - this.#openedAtMs,
      everConnected: this.#everConnected,
      serverNamed: this.#serverNamed,
      relayServers: this.#relayServers,
      serverFailures: [...this.#serverFailures],
    };
  }

  /** Idempotent. Nothing is reported any more. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#recovery.close();
    this.#connection.close();
    // Remote tracks end with the peer; a frozen last picture would look like a stalled stream.
    for (const track of this.stream.getTracks()) this.stream.removeTrack(track);
  }

  #isClosed(): boolean {
    return this.#closed;
  }

  #listen(): void {
    const connection = this.#connection;
    connection.addEventListener('icecandidate', ({ candidate }) => {
      // An empty candidate string ends one generation's gathering; null ends it all, which is what is sent.
      if (this.#closed || candidate?.candidate === '') return;
      const init = candidate === null ? null : candidate.toJSON();
      if (this.#heldCandidates !== undefined) this.#heldCandidates.push(init);
      else this.#listener.onIceCandidate(init);
    });
    connection.addEventListener('icecandidateerror', ({ url, errorCode, errorText }) => {
      const known = this.#serverFailures.some((one) => one.url === url && one.errorCode === errorCode);
      if (known || this.#serverFailures.length >= MAX_SERVER_FAILURES) return;
      this.#serverFailures.push({ url, errorCode, errorText });
    });
    connection.addEventListener('iceconnectionstatechange', () => {
      if (this.#closed) return;
      this.#iceStateSinceMs = performance.now();
      this.#recovery.stateChanged(connection.iceConnectionState);
    });
    connection.addEventListener('connectionstatechange', () => {
      if (this.#closed) return;
      const { connectionState, iceConnectionState } = connection;
      if (connectionState === 'connected') this.#everConnected = true;
      this.#listener.onConnectionStateChange(connectionState);
      // ICE is up and yet the whole has failed: the DTLS handshake did, which no ICE restart mends.
      if (connectionState === 'failed' && iceConnectionState !== 'failed') {
        this.#fail(new StreamError('peer_failed', 'The encrypted media connection failed (DTLS)'));
      }
    });
    connection.addEventListener('track', ({ receiver, track }) => {
      if (this.#closed) return;
      minimizeDelay(receiver);
      if (track.kind === 'audio') {
        void import('./sound-buffer.js').then(
          ({ holdLossySound }) => holdLossySound(receiver),
          () => undefined,
        );
      }
      this.stream.addTrack(track);
      this.#listener.onTrack(track);
    });
    connection.addEventListener('datachannel', ({ channel }) => {
      if (channel.label !== 'input') return;
      this.#input = channel;
      channel.addEventListener('message', ({ data }) => {
        if (!this.#closed && typeof data === 'string') this.#listener.onInputMessage(data);
      });
    });
  }

  #enqueue(operation: () => Promise<void>): void {
    this.#operations = this.#operations.then(async () => {
      if (this.#closed) return;
      try {
        await operation();
      } catch (cause) {
        this.#fail(
          cause instanceof StreamError
            ? cause
            : new StreamError('peer_failed', `The media connection failed: ${asStreamError(cause).message}`, {
                cause,
              }),
        );
      }
    });
  }

  #fail(error: StreamError): void {
    if (this.#closed) return;
    this.close();
    this.#listener.onFailed(error);
  }
}

function configurationOf(iceServers: RTCIceServer[]): RTCConfiguration {
  return { iceServers, bundlePolicy: 'max-bundle' };
}

function relaysAmong(iceServers: RTCIceServer[]): string[] {
  return iceServers.flatMap(({ urls }) => urls).filter((url) => /^turns?:/.test(url));
}
