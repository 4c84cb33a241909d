import { any } from './elements.js';
import { PictureOverlay } from './picture-overlay.js';

/** A finger that moved less is a tap, CSS pixels; and one that lay shorter, ms. */
const TAP_PX = 8;
const TAP_MS = 300;

interface Finger {
  x: number;
  y: number;
  travelled: number;
  readonly sinceMs: number;
}

/** The picture as a trackpad: a finger moves the mouse, a tap clicks, two fingers scroll, and a tap of two is the right button. */
export class Trackpad extends PictureOverlay {
  readonly #cursor = any('trackpad-cursor');
  readonly #video: HTMLVideoElement;
  readonly #fingers = new Map<number, Finger>();
  /** Fractions of the picture. */
  #at = { x: 0.5, y: 0.5 };
  #mostFingers = 0;

  constructor(video: HTMLVideoElement) {
    super('trackpad');
    this.#video = video;
    this.element.addEventListener('pointerdown', (event) => this.#down(event));
    this.element.addEventListener('pointermove', (event) => this.#move(event));
    this.element.addEventListener('pointerup', (event) => this.#up(event));
    this.element.addEventListener('pointercancel', ({ pointerId }) => this.#fingers.delete(pointerId));
    this.element.addEventListener('contextmenu', (event) => event.preventDefault());
  }

  override show(): void {
    super.show();
    this.#draw();
  }

  override hide(): void {
    super.hide();
    this.#fingers.clear();
  }

  #down(event: PointerEvent): void {
    event.preventDefault();
    this.element.setPointerCapture(event.pointerId);
    const { clientX: x, clientY: y } = event;
    this.#fingers.set(event.pointerId, { x, y, travelled: 0, sinceMs: performance.now() });
    this.#mostFingers = this.#fingers.size === 1 ? 1 : Math.max(this.#mostFingers, this.#fingers.size);
  }

  #move({ pointerId, clientX, clientY }: PointerEvent): void {
    const finger = this.#fingers.get(pointerId);
    if (finger === undefined) return;
    const [byX, byY] = [clientX - finger.x, clientY - finger.y];
    Object.assign(finger, { x: clientX, y: clientY });
    finger.travelled += Math.hypot(byX, byY);
    const { width, height } = this.#picture();
    if (this.#fingers.size === 1) {
      this.#at.x = Math.min(1, Math.max(0, this.#at.x + byX / width));
      this.#at.y = Math.min(1, Math.max(0, this.#at.y + byY / height));
      this.send({ type: 'pointer', action: 'move', ...this.#at });
      this.#draw();
    } else {
      // Both fingers tell it.
      const scale = this.#video.videoWidth / width / this.#fingers.size;
      this.send({ type: 'wheel', ...this.#at, deltaX: -byX * scale, deltaY: -byY * scale });
    }
  }

  #up({ pointerId }: PointerEvent): void {
    const finger = this.#fingers.get(pointerId);
    this.#fingers.delete(pointerId);
    if (finger === undefined || this.#fingers.size > 0) return;
    if (finger.travelled > TAP_PX || performance.now() - finger.sinceMs > TAP_MS) return;
    const button = this.#mostFingers > 1 ? 2 : 0;
    this.send({ type: 'pointer', action: 'move', ...this.#at });
    for (const action of ['down', 'up']) this.send({ type: 'pointer', action, ...this.#at, button });
  }

  /** `object-fit: contain`, CSS pixels of the stage. */
  #picture(): { left: number; top: number; width: number; height: number } {
    const { clientWidth, clientHeight, videoWidth, videoHeight } = this.#video;
    const scale = Math.min(clientWidth / (videoWidth || 1), clientHeight / (videoHeight || 1));
    const [width, height] = [videoWidth * scale, videoHeight * scale];
    return { left: (clientWidth - width) / 2, top: (clientHeight - height) / 2, width, height };
  }

  #draw(): void {
    const { left, top, width, height } = this.#picture();
    this.#cursor.style.translate = `${left + this.#at.x * width}px ${top + this.#at.y * height}px`;
  }
}
