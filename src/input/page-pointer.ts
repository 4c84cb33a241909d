import type { InputCommands, PageControls } from '../render/capture/page-controls.js';
import type { Clock } from '../base/clock.js';
import type { HeldInput } from './held-input.js';
import type { PicturePoint, PointerMessage, WheelMessage } from './input-message.js';
import type { InputQueue, InputStep } from './input-queue.js';

type MouseEvent = InputCommands['Input.dispatchMouseEvent'];

const BUTTONS = ['left', 'middle', 'right', 'back', 'forward'] as const satisfies MouseEvent['button'][];
/** Bits of UI Events: the right button comes before the middle one. */
const BUTTON_BITS = [1, 4, 2, 8, 16] as const;
/** A second click within this time and place is a double click. */
const CLICK_MS = 500;
const CLICK_PIXELS = 4;
const MAX_CLICKS = 3;

/** The one mouse of a page, whoever holds it. */
export class PagePointer {
  readonly #controls: PageControls;
  readonly #queue: InputQueue;
  readonly #clock: Clock;
  #at = { x: 0, y: 0 };
  #pointerType: 'mouse' | 'pen' = 'mouse';
  #click = { button: -1, x: 0, y: 0, atUs: -Infinity, count: 0 };

  constructor(controls: PageControls, queue: InputQueue, clock: Clock) {
    this.#controls = controls;
    this.#queue = queue;
    this.#clock = clock;
  }

  /** CSS pixels of a place in the picture. The last pixel is inside, whatever the fraction. */
  place({ x, y }: PicturePoint): { x: number; y: number } {
    const { width, height } = this.#controls.viewport;
    return { x: Math.min(x * width, width - 1), y: Math.min(y * height, height - 1) };
  }

  /** @throws InputError `bad_input` where no more can wait. */
  accept(message: PointerMessage, held: HeldInput, others: readonly HeldInput[], modifiers: number): void {
    const { action, button, buttons } = message;
    this.#pointerType = message.pointerType;
    const at = this.#target(message);
    if (action === 'down') {
      this.#press(button, at, held, others, modifiers);
      return;
    }
    if (action === 'up') {
      this.#at = at;
      if (held.buttons.has(button)) this.#lift(button, held, others, modifiers);
      return;
    }
    this.#at = at;
    const sum = bitsOf([held, ...others]);
    this.#queue.push(
      this.#step('move', { ...this.#event('mouseMoved', modifiers), button: firstOf(sum), buttons: sum }),
    );
    if (buttons === undefined) return;
    // Pointer Events 3, section 4.2: a second button goes down or up with a move.
    for (const one of [...held.buttons]) {
      if ((buttons & bitOf(one)) === 0) this.#lift(one, held, others, modifiers);
    }
    const isChord = held.buttons.size > 0 && button >= 0 && !held.buttons.has(button);
    if (isChord && (buttons & bitOf(button)) !== 0) this.#press(button, at, held, others, modifiers);
  }

  /**
   * A locked pointer has no place: it is moved on from where it was, beyond the edges too, for the page is told by how
   * much it moves. A client that cannot lock its own pointer goes on telling places.
   */
  #target(message: PointerMessage): { x: number; y: number } {
    if (!('movementX' in message)) return this.place(message);
    return { x: this.#at.x + message.movementX, y: this.#at.y + message.movementY };
  }

  /** @throws InputError `bad_input` where no more can wait. */
  turn(message: WheelMessage, modifiers: number): void {
    this.#at = this.place(message);
    const { deltaX, deltaY } = message;
    this.#queue.push(this.#step('move', { ...this.#event('mouseWheel', modifiers), deltaX, deltaY }));
  }

  /** Lets go of the buttons of one that has gone. */
  release(held: HeldInput, others: readonly HeldInput[]): void {
    for (const button of [...held.buttons]) this.#lift(button, held, others, 0);
  }

  #press(
    button: number,
    at: { x: number; y: number },
    held: HeldInput,
    others: readonly HeldInput[],
    modifiers: number,
  ): void {
    if (held.buttons.has(button)) return;
    const isHeld = others.some((other) => other.buttons.has(button));
    const nowUs = this.#clock.nowUs();
    const last = this.#click;
    const isSame =
      last.button === button &&
      nowUs - last.atUs <= CLICK_MS * 1000 &&
      Math.hypot(at.x - last.x, at.y - last.y) <= CLICK_PIXELS;
    const count = isSame ? (last.count % MAX_CLICKS) + 1 : 1;
    const buttons = bitsOf([held, ...others]) | bitOf(button);
    if (!isHeld) {
      const event = this.#event('mousePressed', modifiers, at);
      const pressed: MouseEvent = { ...event, button: BUTTONS[button] ?? 'none', buttons, clickCount: count };
      this.#queue.push(this.#step('press', pressed));
      this.#click = { button, ...at, atUs: nowUs, count };
    }
    this.#at = at;
    held.buttons.add(button);
  }

  #lift(button: number, held: HeldInput, others: readonly HeldInput[], modifiers: number): void {
    held.buttons.delete(button);
    if (others.some((other) => other.buttons.has(button))) return;
    const { button: clicked, count } = this.#click;
    this.#queue.push(
      this.#step('release', {
        ...this.#event('mouseReleased', modifiers),
        button: BUTTONS[button] ?? 'none',
        buttons: bitsOf([held, ...others]),
        clickCount: clicked === button ? count : 1,
      }),
    );
  }

  #event(type: MouseEvent['type'], modifiers: number, at = this.#at): MouseEvent {
    // Full pressure would be none of a hand.
    const pen = this.#pointerType === 'pen' ? { force: 0.5 } : {};
    return { type, ...at, modifiers, pointerType: this.#pointerType, ...pen };
  }

  #step(kind: InputStep['kind'], event: MouseEvent): MouseStep {
    return {
      device: 'mouse',
      kind,
      event,
      merge: (later) => {
        if (kind !== 'move' || !isMove(later)) return undefined;
        const { event: next } = later;
        if (next.type !== event.type || next.modifiers !== event.modifiers) return undefined;
        if (next.type !== 'mouseWheel') return later;
        const deltaX = (event.deltaX ?? 0) + (next.deltaX ?? 0);
        return this.#step('move', { ...next, deltaX, deltaY: (event.deltaY ?? 0) + (next.deltaY ?? 0) });
      },
      run: () => this.#controls.send('Input.dispatchMouseEvent', event),
    };
  }
}

interface MouseStep extends InputStep {
  readonly event: MouseEvent;
}

function isMove(step: InputStep): step is MouseStep {
  return step.device === 'mouse' && step.kind === 'move';
}

function bitOf(button: number): number {
  return BUTTON_BITS[button] ?? 0;
}

function bitsOf(all: readonly HeldInput[]): number {
  let bits = 0;
  for (const { buttons } of all) for (const button of buttons) bits |= bitOf(button);
  return bits;
}

function firstOf(bits: number): (typeof BUTTONS)[number] | 'none' {
  return BUTTONS.find((_, index) => (bits & bitOf(index)) !== 0) ?? 'none';
}
