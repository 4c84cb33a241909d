/** Wraps within 13 hours at 90 kHz (RFC 3550 section 5.1). */
function isDue(time: number, shown: number): boolean {
  return ((time - shown) | 0) <= 0;
}

/** Undefined where the browser does not tell it. */
function rtpTimestampOf({ rtpTimestamp, mediaTime }: VideoFrameCallbackMetadata): number | undefined {
  // The pictures of a generated track keep the server's clock, in seconds.
  return rtpTimestamp ?? ('MediaStreamTrackGenerator' in globalThis ? mediaTime * 90_000 : undefined);
}

/** What waits longer has no picture of its own: the page stands still, or the video is paused or hidden, ms. */
const MAX_WAIT_MS = 500;
/** More is shown without its picture, the oldest first. */
const MAX_WAITING = 1000;

interface Waiting<Item> {
  readonly item: Item;
  readonly time: number;
  readonly timer: ReturnType<typeof setTimeout>;
}

/**
 * Hands on items in their order, each when the picture of its RTP timestamp, or a later one, is on the screen. A browser that
 * does not tell what it shows (no `requestVideoFrameCallback`) has each item at once.
 */
export class PictureClock<Item> {
  readonly #onDue: (item: Item) => void;
  readonly #waiting: Waiting<Item>[] = [];
  #video: HTMLVideoElement | undefined;
  #callback = 0;
  #listening = new AbortController();
  /** RTP timestamp of the picture on the screen. */
  #shown: number | undefined;

  constructor(onDue: (item: Item) => void) {
    this.#onDue = onDue;
  }

  /** From now on the pictures of this element count. */
  follow(video: HTMLVideoElement | undefined): void {
    if (video === this.#video) return;
    this.#listening.abort();
    this.#video = video;
    this.#shown = undefined;
    if (video === undefined || !('requestVideoFrameCallback' in video)) return;
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    signal.addEventListener('abort', () => video.cancelVideoFrameCallback(this.#callback));
    const listen = (): void => this.#listen(video);
    listen();
    // Chromium forgets a callback when the first video track joins a stream that plays already.
    video.addEventListener('resize', listen, { signal });
    video.addEventListener('playing', listen, { signal });
  }

  /** @param time - an RTP timestamp, 90 kHz; undefined: due at once, after all that waits. */
  hold(item: Item, time: number | undefined): void {
    const shown = this.#shown;
    if (time === undefined || shown === undefined || (this.#waiting.length === 0 && isDue(time, shown))) {
      this.#release(this.#waiting.length);
      this.#onDue(item);
      return;
    }
    if (this.#waiting.length === MAX_WAITING) this.#release(1);
    const timer = setTimeout(
      () => this.#release(this.#waiting.findIndex((other) => other.item === item) + 1),
      MAX_WAIT_MS,
    );
    this.#waiting.push({ item, time, timer });
  }

  /** Hands on all that waits; from now on nothing does. */
  close(): void {
    this.follow(undefined);
    this.#release(this.#waiting.length);
  }

  #listen(video: HTMLVideoElement): void {
    video.cancelVideoFrameCallback(this.#callback);
    this.#callback = video.requestVideoFrameCallback((_nowMs, metadata) => {
      this.#listen(video);
      const shown = (this.#shown = rtpTimestampOf(metadata));
      const isShown = ({ time }: Waiting<Item>): boolean => shown === undefined || isDue(time, shown);
      this.#release(this.#waiting.findLastIndex(isShown) + 1);
    });
  }

  #release(count: number): void {
    for (const { item, timer } of this.#waiting.splice(0, count)) {
      clearTimeout(timer);
      this.#onDue(item);
    }
  }
}
