import type { StreamConnection } from '@open-game-system/stream-kit-server/client';

import { any } from './elements.js';
import { PictureOverlay } from './picture-overlay.js';

/** Of the standard mapping (Gamepad, section 8.1): 17 buttons, and the two axes of the left stick first. */
const BUTTONS = 17;
const AXES = 4;
/** How far the stick goes from its middle, parts of its width. */
const REACH = 0.35;

/** A gamepad on the screen, for fingers: a stick and the buttons that games use most. */
export class ScreenGamepad extends PictureOverlay {
  readonly #stick = any('stick');
  readonly #pressed = new Set<number>();
  #axes = [0, 0];
  #index = 0;

  constructor() {
    super('gamepad');
    for (const button of this.element.querySelectorAll<HTMLElement>('[data-button]')) {
      const index = Number(button.dataset.button);
      const set = (isPressed: boolean): void => {
        if (isPressed === this.#pressed.has(index)) return;
        if (isPressed) this.#pressed.add(index);
        else this.#pressed.delete(index);
        this.#send();
      };
      button.addEventListener('pointerdown', (event) => {
        event.preventDefault();
        button.setPointerCapture(event.pointerId);
        set(true);
      });
      for (const name of ['pointerup', 'pointercancel', 'blur'] as const)
        button.addEventListener(name, () => set(false));
      // By keyboard: as long as the key is held.
      button.addEventListener('keydown', ({ key }) => set(key === ' ' || key === 'Enter'));
      button.addEventListener('keyup', () => set(false));
    }
    this.#stick.addEventListener('pointerdown', (event) => {
      event.preventDefault();
      this.#stick.setPointerCapture(event.pointerId);
      this.#move(event);
    });
    this.#stick.addEventListener('pointermove', (event) => {
      if (this.#stick.hasPointerCapture(event.pointerId)) this.#move(event);
    });
    for (const name of ['pointerup', 'pointercancel'] as const)
      this.#stick.addEventListener(name, () => this.#tilt(0, 0));
  }

  override follow(connection: StreamConnection): void {
    super.follow(connection);
    connection.on('input', (message) => this.#rumble(message));
  }

  /** For the page it is plugged in. */
  override show(): void {
    // Beside those that are plugged in here.
    const taken = [0, 1, 2].filter((index) => Boolean(navigator.getGamepads()[index]));
    this.#index = [0, 1, 2, 3].find((index) => !taken.includes(index)) ?? 3;
    super.show();
    this.#send();
  }

  override hide(): void {
    if (!this.isShown) return;
    super.hide();
    this.#pressed.clear();
    this.#axes = [0, 0];
    this.send({ type: 'gamepad', index: this.#index, connected: false });
  }

  #move({ clientX, clientY }: PointerEvent): void {
    const { left, top, width, height } = this.#stick.getBoundingClientRect();
    const x = (clientX - left - width / 2) / (width * REACH);
    const y = (clientY - top - height / 2) / (height * REACH);
    const length = Math.max(1, Math.hypot(x, y));
    this.#tilt(x / length, y / length);
  }

  #tilt(x: number, y: number): void {
    this.#axes = [x, y].map((value) => Math.round(value * 100) / 100);
    this.#stick.style.setProperty('--x', `${x * REACH * 100}%`);
    this.#stick.style.setProperty('--y', `${y * REACH * 100}%`);
    this.#send();
  }

  #send(): void {
    const buttons = Array.from({ length: BUTTONS }, (_, index) => {
      const pressed = this.#pressed.has(index);
      return { pressed, value: Number(pressed) };
    });
    const axes = Array.from({ length: AXES }, (_, index) => this.#axes[index] ?? 0);
    this.send({
      ...{ type: 'gamepad', index: this.#index, id: 'Screen gamepad' },
      ...{ buttons, axes },
    });
  }

  /** Phones vibrate instead. */
  #rumble(message: unknown): void {
    const { type, index, durationMs } = message as { type?: unknown; index?: unknown; durationMs?: unknown };
    if (!this.isShown || type !== 'rumble' || index !== this.#index || typeof durationMs !== 'number') return;
    if ('vibrate' in navigator) navigator.vibrate(durationMs);
  }
}
