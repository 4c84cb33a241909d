import { any, button, element, input } from './elements.js';

/** A `<video>` of Safari on the iPhone, which can show only itself in full screen. */
interface AppleVideo extends HTMLVideoElement {
  webkitEnterFullscreen?: () => void;
}

/** Sound and full screen, by mouse, touch and keyboard. */
export class PlayerControls {
  readonly #video: AppleVideo = element('video', HTMLVideoElement);
  readonly #stage = any('stage');
  readonly #mute = button('mute');
  readonly #volume = input('volume');
  readonly #hint = button('unmute-hint');

  constructor() {
    this.#mute.addEventListener('click', () => this.toggleMute());
    this.#hint.addEventListener('click', () => this.toggleMute());
    this.#volume.addEventListener('input', () => {
      this.#video.volume = this.#volume.valueAsNumber;
      this.#video.muted = this.#video.volume === 0;
    });
    this.#video.addEventListener('volumechange', () => this.#show());
    button('fullscreen').addEventListener('click', () => this.toggleFullscreen());
  }

  get video(): HTMLVideoElement {
    return this.#video;
  }

  /** The browser wants a gesture before there is sound. */
  offerSound(): void {
    this.#hint.hidden = false;
  }

  toggleMute(): void {
    const { muted, volume } = this.#video;
    this.#video.muted = !muted;
    if (muted && volume === 0) this.#video.volume = 1;
  }

  toggleFullscreen(): void {
    if (document.fullscreenElement !== null) void document.exitFullscreen();
    else if (document.fullscreenEnabled) void this.#stage.requestFullscreen();
    else this.#video.webkitEnterFullscreen?.();
  }

  #show(): void {
    const { muted, volume } = this.#video;
    this.#mute.setAttribute('aria-pressed', String(muted));
    const label = muted ? 'Unmute' : 'Mute';
    this.#mute.setAttribute('aria-label', label);
    this.#mute.title = `${label} (M)`;
    this.#volume.valueAsNumber = muted ? 0 : volume;
    if (!muted) this.#hint.hidden = true;
  }
}
