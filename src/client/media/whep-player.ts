import type { MediaSource } from '../../protocol/media-source.js';
import { withTimeout } from '../connection/request-timeout.js';
import { minimizeDelay } from './live-receiver.js';
import type { SourcePlayer, SourcePlayerListener } from './source-player.js';

/** How long the offer waits for candidates; what comes later is not used. */
const GATHERING_MS = 1000;
const REQUEST_TIMEOUT_MS = 10_000;

/** Takes the media of a WHEP endpoint (draft-ietf-wish-whep). */
export class WhepPlayer implements SourcePlayer {
  readonly stream = new MediaStream();
  readonly #source: MediaSource;
  readonly #listener: SourcePlayerListener;
  readonly #connection: RTCPeerConnection;
  readonly #abort = new AbortController();
  #resource: URL | undefined;

  constructor(source: MediaSource, iceServers: RTCIceServer[], listener: SourcePlayerListener) {
    this.#source = source;
    this.#listener = listener;
    this.#connection = new RTCPeerConnection({ iceServers, bundlePolicy: 'max-bundle' });
    this.#open().catch((thrown: unknown) => this.#lose(thrown));
  }

  getStats(): Promise<RTCStatsReport> {
    return this.#connection.getStats();
  }

  close(): void {
    if (this.#isClosed()) return;
    this.#abort.abort();
    this.#connection.close();
    this.#leave();
  }

  #isClosed(): boolean {
    return this.#abort.signal.aborted;
  }

  async #open(): Promise<void> {
    const connection = this.#connection;
    connection.addEventListener('track', ({ track, receiver }) => {
      if (this.#isClosed()) return;
      minimizeDelay(receiver);
      this.stream.addTrack(track);
      this.#listener.onTrack(track);
    });
    connection.addEventListener('connectionstatechange', () => {
      if (connection.connectionState === 'failed') this.#lose(new Error('the connection failed'));
    });
    for (const kind of ['video', 'audio']) connection.addTransceiver(kind, { direction: 'recvonly' });
    await connection.setLocalDescription();
    await gathered(connection);
    if (this.#isClosed()) return;
    const { url } = this.#source;
    const response = await this.#request(url, 'POST', connection.localDescription?.sdp);
    // RFC 9725 section 4.2, which WHEP takes over: it may be relative to where the request ended up.
    const location = response.headers.get('location');
    if (location !== null) this.#resource = new URL(location, response.url);
    if (this.#isClosed()) {
      this.#leave();
      return;
    }
    if (response.status !== 201) throw new Error(`it answered ${response.status}`);
    await connection.setRemoteDescription({ type: 'answer', sdp: await response.text() });
  }

  async #request(url: string, method: string, body?: string): Promise<Response> {
    const { url: own, token } = this.#source;
    // What is meant for one origin is not for another.
    const isOwn = token !== undefined && new URL(url).origin === new URL(own).origin;
    // Closing does not abort it: what it makes there is given up by another request.
    return withTimeout(REQUEST_TIMEOUT_MS, new AbortController().signal, (signal) =>
      fetch(url, {
        method,
        headers: {
          ...(body === undefined ? {} : { 'content-type': 'application/sdp' }),
          ...(isOwn ? { authorization: `Bearer ${token}` } : {}),
        },
        ...(body === undefined ? {} : { body }),
        // It outlives the page.
        keepalive: method === 'DELETE',
        signal,
      }),
    );
  }

  /** An endpoint that cannot be reached notices by itself. */
  #leave(): void {
    const resource = this.#resource;
    this.#resource = undefined;
    if (resource) this.#request(resource.href, 'DELETE').catch(() => undefined);
  }

  #lose(thrown: unknown): void {
    if (this.#isClosed()) return;
    this.close();
    this.#listener.onLost(thrown instanceof Error ? thrown : new Error(String(thrown)));
  }
}

function gathered(connection: RTCPeerConnection): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (connection.iceGatheringState === 'complete') resolve();
    };
    connection.addEventListener('icegatheringstatechange', look);
    setTimeout(resolve, GATHERING_MS);
    look();
  });
}
