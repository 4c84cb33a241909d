import { Backoff } from '../connection/backoff.js';
import { PictureDecoder, SoundDecoder } from './chunk-decoders.js';
import { openPictureTrack, openSoundTrack, type PictureTrack, type SoundTrack } from './generated-tracks.js';
import { isVideoCodec, type VideoCodec } from '../../protocol/video-codecs.js';
import type { PeerReport } from '../diagnose/peer-report.js';
import type { MediaLink, MediaLinkListener, MediaSignal } from './media-link.js';
import { type OpenLink, PeerRetry } from './peer-retry.js';
import { KIND_AUDIO, parseStreamChunk, type StreamChunk } from './stream-chunk.js';
import type { ConnectStreamOptions } from '../connection/stream-options.js';

type SocketMediaOptions = Pick<ConnectStreamOptions, 'url' | 'token' | 'transport'>;

/** What a {@link SocketMedia} tells its owner. */
export interface SocketMediaListener {
  /** The server has answered: the stream has its tracks. Once. */
  onReady(media: SocketMedia): void;
  /** The WebSocket could not be opened, or what comes cannot be decoded. Another connection follows. */
  onTrouble(message: string): void;
  /** Makes a peer to try WebRTC with. */
  readonly openLink: OpenLink;
  /** WebRTC works: the link is the listener's from here on, and the tracks of its stream come into this one. At most once. */
  onReturn(link: MediaLink): void;
  /** Of that link, once it is taken; gets what a data channel would have brought before as well. */
  readonly links: MediaLinkListener;
}

/** The first wait after a connection that broke, and the longest, ms. */
const FIRST_WAIT_MS = 250;
const MAX_WAIT_MS = 5000;
/** A connection that is not open by then is tried anew, ms. */
const OPEN_TIMEOUT_MS = 10_000;
/** On a sign that the network changed, a connection that was silent this long is given up, ms. */
const SILENCE_MS = 2000;
/** Why no other WebSocket of this viewer is of use: the event stream brings another viewer, or another has its place. */
const VIEWER_ENDED = new Set(['no_such_viewer', 'taken_over']);
/** Input beyond it is refused while the network takes none, bytes. */
const MAX_UNSENT_BYTES = 256 * 1024;

/** The media of one viewer over the WebSocket, decoded by WebCodecs: where UDP is blocked, TCP is better than nothing. */
export class SocketMedia {
  /** Has its tracks once `onReady` was told. */
  readonly stream = new MediaStream();
  readonly #options: SocketMediaOptions;
  readonly #streamId: string;
  readonly #viewerId: string;
  readonly #listener: SocketMediaListener;
  readonly #backoff = new Backoff(FIRST_WAIT_MS, MAX_WAIT_MS);
  readonly #pictures: PictureDecoder;
  readonly #sounds: SoundDecoder;
  #picture: PictureTrack | undefined;
  #sound: SoundTrack | undefined;
  /** Undefined before the server has answered, and where WebRTC is not wanted. */
  #retry: PeerRetry | undefined;
  #socket: WebSocket | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #codec: VideoCodec = 'h264';
  #lastSequence: number | null = null;
  /** The first chunk of a connection may have any number: the server may have begun anew. */
  #hasChunks = false;
  #heardAtMs = 0;
  #received = { pictures: 0, pictureBytes: 0, soundBytes: 0 };
  #size = { width: 0, height: 0 };
  #closed = false;

  constructor(
    options: SocketMediaOptions,
    streamId: string,
    viewerId: string,
    listener: SocketMediaListener,
  ) {
    this.#options = options;
    this.#streamId = streamId;
    this.#viewerId = viewerId;
    this.#listener = listener;
    const onError = (error: Error): void =>
      listener.onTrouble(`The stream cannot be decoded (${error.message}).`);
    this.#pictures = new PictureDecoder({
      onOutput: (frame) => {
        this.#size = { width: frame.displayWidth, height: frame.displayHeight };
        if (this.#picture) this.#picture.write(frame);
        else frame.close();
      },
      onError,
      // The server makes one for whoever begins anew.
      onKeyframeWanted: () => {
        this.#lastSequence = null;
        this.#reconnect(0);
      },
    });
    this.#sounds = new SoundDecoder({
      onOutput: (sound) => {
        if (this.#sound) this.#sound.write(sound);
        else sound.close();
      },
      onError,
    });
    queueMicrotask(() => void this.#connect());
  }

  /** Of an attempt to return to WebRTC. */
  accept(signal: MediaSignal): void {
    this.#retry?.link?.accept(signal);
  }

  /** The WebSocket may go on. */
  signalingLost(): void {
    this.#retry?.link?.signalingLost();
  }

  signalingRestored(iceServers: RTCIceServer[]): void {
    this.#retry?.link?.signalingRestored(iceServers);
    this.#renewIfSilent();
  }

  /** The network has changed, or the page is back. */
  wake(): void {
    this.#sound?.wake();
    this.#retry?.wake();
    this.#renewIfSilent();
  }

  /** @returns false while there is no connection, or more bytes wait in it. */
  sendInput(text: string, maxWaitingBytes = MAX_UNSENT_BYTES): boolean {
    const socket = this.#socket;
    if (socket?.readyState !== WebSocket.OPEN || socket.bufferedAmount > maxWaitingBytes) return false;
    socket.send(text);
    return true;
  }

  /** In the shape of WebRTC's own, as far as there is anything of the kind. */
  getStats(): Promise<Map<string, unknown>> {
    const { pictures, pictureBytes, soundBytes } = this.#received;
    const { width: frameWidth, height: frameHeight } = this.#size;
    const common = { type: 'inbound-rtp', timestamp: performance.now() };
    const video = {
      ...{ ...common, id: 'video', kind: 'video', codecId: 'codec' },
      ...{ frameWidth, frameHeight, bytesReceived: pictureBytes, framesReceived: pictures },
      ...{ framesDecoded: this.#pictures.decoded, framesDropped: this.#pictures.dropped },
    };
    const audio = { ...common, id: 'audio', kind: 'audio', bytesReceived: soundBytes, codecId: 'opus' };
    const codecs = [
      { type: 'codec', id: 'codec', mimeType: `video/${this.#codec.toUpperCase()}` },
      { type: 'codec', id: 'opus', mimeType: 'audio/opus' },
    ];
    return Promise.resolve(new Map([video, audio, ...codecs].map((entry) => [entry.id, entry])));
  }

  /** There is no peer. */
  report(): PeerReport | undefined {
    return undefined;
  }

  /** Idempotent. No connection, timer, decoder or track is left, and nothing is told any more. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#retry?.close();
    this.#disconnect();
    this.#pictures.close();
    this.#sounds.close();
    for (const own of [this.#picture, this.#sound]) {
      // First, so that no element shows it as ended; the tracks of a peer that takes over stay.
      if (own) this.stream.removeTrack(own.track);
      own?.close();
    }
  }

  #isClosed(): boolean {
    return this.#closed;
  }

  #disconnect(): void {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close();
  }

  #reconnect(afterMs: number): void {
    this.#disconnect();
    if (!this.#closed) this.#timer = setTimeout(() => void this.#connect(), afterMs);
  }

  #renewIfSilent(): void {
    if (performance.now() - this.#heardAtMs < SILENCE_MS) return;
    this.#backoff.reset();
    this.#reconnect(0);
  }

  async #connect(): Promise<void> {
    if (this.#closed) return;
    if (typeof VideoDecoder === 'undefined' || typeof AudioDecoder === 'undefined') {
      this.#listener.onTrouble(
        'The stream over WebSocket needs WebCodecs, which browsers have in secure contexts alone (https).',
      );
      return;
    }
    let url: string;
    try {
      url = await this.#url();
    } catch (thrown) {
      this.#lost(`The token for the WebSocket could not be had (${String(thrown)}).`);
      return;
    }
    if (this.#isClosed()) return;
    const socket = new WebSocket(url);
    this.#socket = socket;
    this.#hasChunks = false;
    this.#heardAtMs = performance.now();
    socket.binaryType = 'arraybuffer';
    let opened = false;
    const lost = (): void => {
      if (this.#socket !== socket) return;
      // Browsers do not tell a page why.
      const hint = this.#options.token === undefined ? '; headers are not sent with it, a token is' : '';
      this.#lost(opened ? undefined : `The WebSocket could not be opened${hint}.`);
    };
    this.#timer = setTimeout(lost, OPEN_TIMEOUT_MS);
    socket.addEventListener('open', () => {
      if (this.#socket !== socket) return;
      opened = true;
      clearTimeout(this.#timer);
      socket.send(JSON.stringify({ type: 'resume', lastSeq: this.#lastSequence }));
    });
    socket.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
      if (this.#socket !== socket) return;
      this.#heardAtMs = performance.now();
      if (typeof data === 'string') this.#takeText(data);
      else if (data instanceof ArrayBuffer) this.#takeChunk(parseStreamChunk(data));
    });
    socket.addEventListener('close', ({ reason }) => {
      if (this.#socket === socket && VIEWER_ENDED.has(reason)) {
        this.#disconnect();
        this.#listener.onTrouble(`The server has closed the WebSocket (${reason}).`);
      } else lost();
    });
  }

  async #url(): Promise<string> {
    const { url, token } = this.#options;
    const path = `${url.replace(/\/+$/, '')}/${encodeURIComponent(this.#streamId)}/stream`;
    const absolute = new URL(path, document.baseURI);
    absolute.protocol = absolute.protocol.replace('http', 'ws');
    // So that it is this viewer still, with the control that it has.
    absolute.searchParams.set('viewerId', this.#viewerId);
    const own = typeof token === 'function' ? await token() : token;
    if (own !== undefined) absolute.searchParams.set('token', own);
    return absolute.href;
  }

  #lost(trouble?: string): void {
    if (this.#isClosed()) return;
    this.#reconnect(this.#backoff.nextMs());
    if (trouble !== undefined) this.#listener.onTrouble(trouble);
  }

  #takeText(text: string): void {
    const message = parseMessage(text);
    switch (message?.type) {
      case 'session-meta':
        this.#begin(message);
        break;
      // The event stream brings it too.
      case 'state':
      case undefined:
        break;
      default:
        this.#listener.links.onInputMessage(text);
    }
  }

  #begin({ video, audio }: Message): void {
    const codec = (video as { codec?: unknown } | null | undefined)?.codec;
    if (isVideoCodec(codec)) this.#codec = codec;
    if (this.#picture !== undefined) return;
    this.#picture = openPictureTrack();
    this.stream.addTrack(this.#picture.track);
    if (audio) {
      this.#sound = openSoundTrack();
      this.stream.addTrack(this.#sound.track);
    }
    this.#listener.onReady(this);
    if (this.#options.transport === 'websocket' || typeof RTCPeerConnection === 'undefined') return;
    const { openLink, links } = this.#listener;
    this.#retry = new PeerRetry(
      openLink,
      (text) => links.onInputMessage(text),
      (link) => {
        this.#listener.onReturn(link);
        link.listener = links;
        for (const track of link.stream.getTracks()) {
          this.stream.addTrack(track);
          links.onTrack(track);
        }
        link.stream = this.stream;
        links.onPeerState('connected');
      },
    );
  }

  #takeChunk(chunk: StreamChunk | undefined): void {
    if (chunk === undefined) return;
    const { sequence, kind, data } = chunk;
    const last = this.#lastSequence;
    if (this.#hasChunks && last !== null && sequence <= last) return;
    if (last === null || sequence !== last + 1) this.#pictures.skip();
    if (!this.#hasChunks) this.#backoff.reset();
    this.#hasChunks = true;
    this.#lastSequence = sequence;
    if (kind === KIND_AUDIO) {
      this.#received.soundBytes += data.byteLength;
      if (this.#sound) this.#sounds.decode(chunk);
      return;
    }
    this.#received.pictureBytes += data.byteLength;
    this.#received.pictures++;
    this.#pictures.decode(chunk, this.#codec);
  }
}

interface Message {
  readonly type: string;
  readonly [name: string]: unknown;
}

function parseMessage(text: string): Message | undefined {
  try {
    const message = JSON.parse(text) as Partial<Message> | null;
    return typeof message?.type === 'string' ? (message as Message) : undefined;
  } catch {
    return undefined;
  }
}
