/**
 * Shows a stream in a `<video>` element. Browsers refuse sound before the first gesture of the user; the
 * picture must come all the same, so playback falls back to muted and says so.
 */
export class Playback {
  readonly #video: HTMLVideoElement;
  readonly #onAutoplayBlocked: () => void;
  #autoplayBlocked = false;

  constructor(video: HTMLVideoElement, onAutoplayBlocked: () => void) {
    this.#video = video;
    this.#onAutoplayBlocked = onAutoplayBlocked;
  }

  /** Whether the sound is off only because the browser wants a gesture first. */
  get autoplayBlocked(): boolean {
    return this.#autoplayBlocked && this.#video.muted;
  }

  show(stream: MediaStream): void {
    this.#video.playsInline = true;
    this.#video.srcObject = stream;
    void this.#play();
  }

  /** Takes the stream off the element. Idempotent. */
  clear(): void {
    this.#video.srcObject = null;
  }

  async #play(): Promise<void> {
    try {
      await this.#video.play();
    } catch (error) {
      // AbortError: another stream took over, whose own play() answers for it.
      if (!(error instanceof DOMException) || error.name !== 'NotAllowedError' || this.#video.muted) return;
      this.#video.muted = true;
      this.#autoplayBlocked = true;
      this.#onAutoplayBlocked();
      await this.#video.play().catch(() => undefined);
    }
  }
}
