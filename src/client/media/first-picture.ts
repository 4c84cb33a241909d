/** Tells of the first decoded picture of a stream, which is shown nowhere meanwhile. */
export class FirstPicture {
  #probe: HTMLVideoElement | undefined;

  /** Looks at this stream from now on, in place of an earlier one. */
  watch(stream: MediaStream | undefined, onPicture: () => void): void {
    this.close();
    const probe = (this.#probe = document.createElement('video'));
    probe.muted = probe.autoplay = probe.playsInline = true;
    probe.srcObject = stream ?? null;
    probe.addEventListener('loadeddata', () => {
      if (this.#probe === probe) onPicture();
    });
  }

  /** Idempotent. */
  close(): void {
    if (this.#probe) this.#probe.srcObject = null;
    this.#probe = undefined;
  }
}
