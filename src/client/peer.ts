import { IceRecovery } from './ice-recovery.js';
import type { ServerSignal } from './server-signal.js';
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
  /** The peer cannot go on. At most once. */
  onFailed(error: StreamError): void;
}

/**
 * The viewer's end of the WebRTC connection. The server always offers; remote descriptions and candidates are
 * applied one after the other in the order they came, for a candidate may only follow its description.
 */
export class Peer {
  /** Holds the tracks of this peer; a `<video>` element may show it from the start. */
  readonly stream = new MediaStream();
  readonly #listener: PeerListener;
  readonly #connection: RTCPeerConnection;
  readonly #recovery: IceRecovery;
  #operations: Promise<void> = Promise.resolve();
  /** Local candidates found while an answer is not handed over yet. */
  #heldCandidates: (RTCIceCandidateInit | null)[] | undefined;
  #input: RTCDataChannel | undefined;
  #closed = false;

  /** @throws StreamError `webrtc_unsupported` where the browser has no WebRTC. */
  constructor(iceServers: RTCIceServer[], listener: PeerListener) {
    if (typeof RTCPeerConnection === 'undefined') {
      throw new StreamError('webrtc_unsupported', 'This browser has no WebRTC.');
    }
    this.#listener = listener;
    this.#connection = new RTCPeerConnection({ iceServers, bundlePolicy: 'max-bundle' });
    this.#recovery = new IceRecovery({
      onRestartWanted: () => listener.onIceRestartWanted(),
      onGaveUp: () =>
        listener.onFailed(
          new StreamError('ice_failed', 'No network path to the media server was found (ICE failed).'),
        ),
    });
    this.#listen();
  }

  get connectionState(): RTCPeerConnectionState {
    return this.#connection.connectionState;
  }

  /** What the server says to this end of the connection. */
  accept(signal: Extract<ServerSignal, { type: 'ice_servers' | 'sdp_offer' | 'ice_candidate' }>): void {
    if (signal.type === 'ice_servers') this.#setIceServers(signal.iceServers);
    else if (signal.type === 'sdp_offer') this.#acceptOffer(signal.sdp);
    else this.#acceptCandidate(signal.candidate);
  }

  /** For what is gathered from now on: with an ICE restart come new credentials for relays. */
  #setIceServers(iceServers: RTCIceServer[]): void {
    this.#enqueue(() => {
      try {
        // What cannot change must be as it was.
        this.#connection.setConfiguration({ ...this.#connection.getConfiguration(), iceServers });
      } catch {
        // An old browser cannot, or does not know a URL: it goes on with those of before.
      }
      return Promise.resolve();
    });
  }

  #acceptOffer(sdp: string): void {
    this.#enqueue(async () => {
      this.#heldCandidates = [];
      await this.#connection.setRemoteDescription({ type: 'offer', sdp });
      const answer = await this.#connection.createAnswer();
      const answerSdp = preferStereo(answer.sdp ?? '', sdp);
      await this.#connection.setLocalDescription({ type: 'answer', sdp: answerSdp });
      if (this.#closed) return;
      this.#listener.onAnswer(answerSdp);
      this.#recovery.expectConnection();
      const held = this.#heldCandidates;
      this.#heldCandidates = undefined;
      for (const candidate of held) this.#listener.onIceCandidate(candidate);
    });
  }

  #acceptCandidate(candidate: RTCIceCandidateInit | null): void {
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
  signalingRestored(iceServers: RTCIceServer[]): void {
    this.#setIceServers(iceServers);
    this.#recovery.signalingRestored();
  }

  /** Sends text on the `input` data channel. @returns false while that channel is not open. */
  sendInput(text: string): boolean {
    if (this.#input?.readyState !== 'open') return false;
    this.#input.send(text);
    return true;
  }

  getStats(): Promise<RTCStatsReport> {
    return this.#connection.getStats();
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

  #listen(): void {
    const connection = this.#connection;
    connection.addEventListener('icecandidate', ({ candidate }) => {
      // An empty candidate string ends one generation's gathering; null ends it all, which is what is sent.
      if (this.#closed || candidate?.candidate === '') return;
      const init = candidate === null ? null : candidate.toJSON();
      if (this.#heldCandidates !== undefined) this.#heldCandidates.push(init);
      else this.#listener.onIceCandidate(init);
    });
    connection.addEventListener('iceconnectionstatechange', () => {
      if (!this.#closed) this.#recovery.stateChanged(connection.iceConnectionState);
    });
    connection.addEventListener('connectionstatechange', () => {
      if (this.#closed) return;
      this.#listener.onConnectionStateChange(connection.connectionState);
      // ICE is up and yet the whole has failed: the DTLS handshake did, which no ICE restart mends.
      if (connection.connectionState === 'failed' && connection.iceConnectionState !== 'failed') {
        this.#fail(new StreamError('peer_failed', 'The encrypted media connection failed (DTLS).'));
      }
    });
    connection.addEventListener('track', ({ receiver, track }) => {
      if (this.#closed) return;
      minimizeDelay(receiver);
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
          new StreamError('peer_failed', `The media connection failed: ${asStreamError(cause).message}`, {
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

/** Asks for the smallest jitter buffer: the stream is watched live, and often played with. */
function minimizeDelay(receiver: RTCRtpReceiver): void {
  const delayed = receiver as RTCRtpReceiver & { playoutDelayHint?: number | null };
  if ('jitterBufferTarget' in receiver) receiver.jitterBufferTarget = 0;
  if ('playoutDelayHint' in delayed) delayed.playoutDelayHint = 0;
}
