import { FirstPicture } from './first-picture.js';
import type { MediaLink, MediaLinkListener } from './media-link.js';

/** How long after the WebSocket took over, or an attempt failed, WebRTC is tried again, ms. */
const RETRY_MS = 30_000;
/** An attempt that has shown no picture by then has failed, ms. */
const ATTEMPT_MS = 15_000;

/** Opens a peer beside what carries the media now. @throws StreamError `webrtc_unsupported`. */
export type OpenLink = (listener: MediaLinkListener) => MediaLink;

/** Tries WebRTC again and again while the WebSocket carries the media, and says when it would carry it as well. */
export class PeerRetry {
  readonly #openLink: OpenLink;
  readonly #onPicture: (link: MediaLink) => void;
  readonly #onInputMessage: (text: string) => void;
  /** Of the next attempt, or the end of this one. */
  #timer: ReturnType<typeof setTimeout> | undefined;
  #link: MediaLink | undefined;
  readonly #firstPicture = new FirstPicture();

  /**
   * @param onInputMessage - what the data channel of an attempt brings: the server takes the newest channel.
   * @param onPicture - a link has decoded its first picture and is the caller's from here on. Called at most once.
   */
  constructor(
    openLink: OpenLink,
    onInputMessage: (text: string) => void,
    onPicture: (link: MediaLink) => void,
  ) {
    this.#openLink = openLink;
    this.#onPicture = onPicture;
    this.#onInputMessage = onInputMessage;
    this.#wait();
  }

  /** The attempt that is under way. */
  get link(): MediaLink | undefined {
    return this.#link;
  }

  /** The network has changed, or the page is back: what failed may work now. */
  wake(): void {
    if (this.#link === undefined && this.#timer !== undefined) this.#attempt();
  }

  /** Idempotent. No peer, element or timer is left. */
  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#firstPicture.close();
    this.#link?.close();
    this.#link = undefined;
  }

  #wait(): void {
    this.close();
    this.#timer = setTimeout(() => this.#attempt(), RETRY_MS);
  }

  #attempt(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#wait(), ATTEMPT_MS);
    const link = this.#openLink({
      onMedia: () => this.#watch(),
      onTrack: () => undefined,
      onPeerState: () => undefined,
      onInputMessage: (text) => this.#onInputMessage(text),
      onStalled: () => this.#wait(),
      // Codecs do not change with the network.
      onLost: ({ code }) => (code === 'no_codec' ? this.close() : this.#wait()),
    });
    this.#link = link;
    this.#watch();
    link.requestOffer();
  }

  #watch(): void {
    this.#firstPicture.watch(this.#link?.stream, () => {
      const link = this.#link;
      if (link === undefined) return;
      this.#link = undefined;
      this.close();
      this.#onPicture(link);
    });
  }
}
