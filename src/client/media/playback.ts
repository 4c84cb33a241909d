/** What the browser does not let a page play without a gesture of the user: the sound, or anything at all. */
export type BlockedPlayback = 'sound' | 'picture';

/**
 * Shows a stream in a `<video>` element. Browsers refuse sound before the first gesture of the user; the
 * picture must come all the same, so playback falls back to muted and says so.
 */
export class Playback {
  readonly #onBlocked: (blocked: BlockedPlayback) => void;
  #video: HTMLVideoElement | undefined;
  #listening = new AbortController();
  #stream: MediaStream | undefined;
  #blocked: BlockedPlayback | undefined;
  /** Somebody pressed pause, which no return to the page undoes. */
  #pausedByUser = false;

  constructor(onBlocked: (blocked: BlockedPlayback) => void) {
    this.#onBlocked = onBlocked;
  }

  /** Where the stream is shown. */
  get video(): HTMLVideoElement | undefined {
    return this.#video;
  }

  /** What waits for a gesture; undefined once it plays, or the user has unmuted. */
  get blocked(): BlockedPlayback | undefined {
    const { paused = false, muted = false } = this.#video ?? {};
    return (this.#blocked === 'picture' ? paused : muted) ? this.#blocked : undefined;
  }

  /** From now on the stream is shown in this element, and in no other. */
  showIn(video: HTMLVideoElement | undefined): void {
    if (video === this.#video) return;
    this.#letGo();
    this.#video = video;
    this.#blocked = undefined;
    this.#pausedByUser = false;
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    video?.addEventListener('pause', () => (this.#pausedByUser = !document.hidden), { signal });
    video?.addEventListener('playing', () => (this.#pausedByUser = false), { signal });
    if (this.#stream !== undefined) this.show(this.#stream);
  }

  show(stream: MediaStream): void {
    this.#stream = stream;
    if (this.#video === undefined) return;
    this.#video.playsInline = true;
    this.#video.srcObject = stream;
    void this.#play(this.#video);
  }

  /** The page is in front again; browsers pause a picture in the background. */
  wake(): void {
    if (this.#stream !== undefined && this.#video?.paused && !this.#pausedByUser)
      void this.#play(this.#video);
  }

  /** With sound; to be called from a click. Rejects where the browser still refuses. */
  async playWithSound(): Promise<void> {
    if (this.#video === undefined) return;
    this.#video.muted = false;
    await this.#video.play();
    this.#blocked = undefined;
  }

  /** Takes the stream off the element, unless that shows another one by now. Idempotent. */
  close(): void {
    this.#letGo();
    this.#video = undefined;
    this.#stream = undefined;
  }

  #letGo(): void {
    this.#listening.abort();
    if (this.#stream && this.#video?.srcObject === this.#stream) this.#video.srcObject = null;
  }

  async #play(video: HTMLVideoElement): Promise<void> {
    const stream = this.#stream;
    for (;;) {
      try {
        await video.play();
        return;
      } catch (error) {
        // AbortError: another stream took over, whose own play() answers for it.
        if (!(error instanceof DOMException) || error.name !== 'NotAllowedError') return;
        if (this.#stream !== stream || this.#video !== video) return;
        // A muted element that is refused all the same: a phone that saves power, for one.
        const blocked = video.muted ? 'picture' : 'sound';
        this.#blocked = blocked;
        video.muted = true;
        this.#onBlocked(blocked);
        if (blocked === 'picture') return;
      }
    }
  }
}
