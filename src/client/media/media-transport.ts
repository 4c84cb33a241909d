import { MediaLink, type MediaLinkListener } from './media-link.js';
import type { SendSignal } from '../connection/signaling.js';
import type { OpenLink } from './peer-retry.js';
import type { MediaSource } from '../../protocol/media-source.js';
import type { OverflowMedia } from './overflow-media.js';
import type { SocketMedia } from './socket-media.js';
import { asStreamError, StreamError } from '../connection/stream-error.js';
import type { MediaTransportName } from '../connection/stream-events.js';
import type { ConnectStreamOptions } from '../connection/stream-options.js';

/** The media of one viewer, whichever way it takes. */
export type Media = MediaLink | SocketMedia | OverflowMedia;

/** What a {@link MediaTransport} tells its owner. */
export interface MediaTransportListener extends Omit<MediaLinkListener, 'onStalled'> {
  /** Media comes by this from here on; `onMedia` follows. */
  onOpen(media: Media): void;
  /** The WebSocket has trouble. */
  onTrouble(error: StreamError): void;
}

/**
 * The way that media takes: WebRTC, or the WebSocket where that does not come up. WebRTC is not given up before the WebSocket
 * answers; from then on it is tried now and then, and taken up again once it brings a picture.
 */
export class MediaTransport {
  /** Undefined until media came one way. */
  current: MediaTransportName | undefined;
  readonly #options: ConnectStreamOptions;
  readonly #onChange: (transport: MediaTransportName) => void;
  #link: MediaLink | undefined;
  /** The WebSocket, or the media server, or an attempt at it. Its module is loaded when it is needed. */
  #attempt: { media?: SocketMedia | OverflowMedia; url?: string } | undefined;
  /** This viewer is to take its media from there. */
  takeSource: (source: MediaSource) => void = () => undefined;

  constructor(options: ConnectStreamOptions, onChange: (transport: MediaTransportName) => void) {
    this.#options = options;
    this.#onChange = onChange;
  }

  /** What media a viewer is to ask the server for. */
  get media(): 'none' | undefined {
    const { transport, media } = this.#options;
    return (this.current ?? transport) === 'websocket' ? 'none' : media;
  }

  /** Brings the media of another viewer, by WebRTC at once. @throws StreamError `webrtc_unsupported`. */
  open(
    streamId: string,
    viewerId: string,
    iceServers: RTCIceServer[],
    send: SendSignal,
    listener: MediaTransportListener,
  ): void {
    const mayFallBack = this.#options.transport !== 'webrtc';
    const openLink: OpenLink = (own) => new MediaLink(iceServers, send, own);
    const openSocket = (): void => void this.#openSocket(streamId, viewerId, openLink, links);
    const links: MediaLinkListener & MediaTransportListener = {
      ...listener,
      onPeerState: (state) => {
        if (state === 'connected') {
          this.#dropSocket();
          this.#set('webrtc');
        }
        listener.onPeerState(state);
      },
      onStalled: () => {
        if (mayFallBack) openSocket();
      },
      onLost: (error) => {
        // What WebRTC does not decode here WebCodecs may.
        if (error.code === 'no_codec' && mayFallBack && 'VideoDecoder' in globalThis) openSocket();
        else listener.onLost(error);
      },
    };
    if (this.media || (mayFallBack && typeof RTCPeerConnection === 'undefined')) openSocket();
    else {
      this.takeSource = (source) => void this.#openSource(source, iceServers, openLink, links);
      this.#link = openLink(links);
      open(this.#link, listener);
    }
  }

  /** The viewer is gone. Idempotent. */
  close(): void {
    this.#dropSocket();
    this.#dropLink();
  }

  #dropSocket(): void {
    this.#attempt?.media?.close();
    this.#attempt = undefined;
  }

  #dropLink(): void {
    this.#link?.close();
    this.#link = undefined;
  }

  #set(transport: MediaTransportName): void {
    if (this.current === transport) return;
    this.current = transport;
    this.#onChange(transport);
  }

  async #openSocket(
    streamId: string,
    viewerId: string,
    openLink: OpenLink,
    links: MediaLinkListener & MediaTransportListener,
  ): Promise<void> {
    if (this.#attempt) return;
    const attempt: { media?: SocketMedia } = (this.#attempt = {});
    const onTrouble = (error: StreamError): void => {
      // WebRTC may come up still; the next offer that does not lead there is the next reason to try.
      if (this.#link) this.#dropSocket();
      links.onTrouble(error);
    };
    try {
      const { SocketMedia } = await import('./socket-media.js');
      if (this.#attempt !== attempt) return;
      attempt.media = new SocketMedia(this.#options, streamId, viewerId, {
        onReady: (media) => {
          this.#dropLink();
          this.#set('websocket');
          open(media, links);
        },
        onTrouble: (message) => onTrouble(new StreamError('network', message)),
        openLink,
        links,
        onReturn: (link) => links.onOpen((this.#link = link)),
      });
    } catch (thrown) {
      if (this.#attempt === attempt) onTrouble(asStreamError(thrown));
    }
  }

  async #openSource(
    source: MediaSource,
    iceServers: RTCIceServer[],
    openLink: OpenLink,
    links: MediaLinkListener & MediaTransportListener,
  ): Promise<void> {
    const { url } = source;
    // It is told again after a lost event stream.
    if (this.#attempt?.url === url) return;
    this.#dropSocket();
    const attempt: { media?: OverflowMedia; url: string } = (this.#attempt = { url });
    const onFailed = (error: StreamError): void => {
      if (this.#attempt !== attempt) return;
      this.#dropSocket();
      links.onTrouble(error);
      this.#dropLink();
      const link = (this.#link = openLink(links));
      open(link, links);
      link.requestOffer();
    };
    try {
      const { OverflowMedia } = await import('./overflow-media.js');
      if (this.#attempt !== attempt) return;
      const media = (attempt.media = new OverflowMedia(
        source,
        { iceServers, livekit: this.#options.livekit },
        {
          ...{ onFailed, openLink, links },
          onReturn: (link) => {
            this.#attempt = undefined;
            links.onOpen((this.#link = link));
          },
        },
      ));
      this.#dropLink();
      this.#set('overflow');
      open(media, links);
    } catch (thrown) {
      onFailed(asStreamError(thrown));
    }
  }
}

function open(media: Media, listener: MediaTransportListener): void {
  listener.onOpen(media);
  listener.onMedia(media.stream);
}
