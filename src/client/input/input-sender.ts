import type { PicturePlace } from '../media/picture-place.js';

/** Takes a message for the server. @returns false where it was not sent: no channel, or more waits than may. */
export type SendInput = (message: object, maxWaitingBytes?: number) => boolean;

/** Moves are not sent on top of this: they would arrive late, and the next one says all that they say. */
const MAX_WAITING_BYTES = 8 * 1024;
/** Of one message, as the server takes them. */
const MAX_DELTA = 20_000;

/**
 * The input on its way to the server. Presses and releases go at once and are never dropped; moves become one a frame, turns of
 * the wheel add up, and both wait while the line is busy.
 */
export class InputSender {
  readonly #send: SendInput;
  #pointer: object | undefined;
  #movement: { movementX: number; movementY: number; rest: object } | undefined;
  #wheel: { place: PicturePlace; deltaX: number; deltaY: number } | undefined;
  /** By touch; at most as many as there are touches. */
  readonly #touches = new Map<number, PicturePlace>();

  constructor(send: SendInput) {
    this.#send = send;
  }

  /** What changes something, after the moves that came before it. @returns whether it was sent. */
  send(message: object): boolean {
    this.flush();
    // Their places are told by the message itself, or are too late.
    this.forget();
    return this.#send(message);
  }

  /** What the next of its kind says anew. @returns whether it was sent. */
  trySend(message: object): boolean {
    return this.#send(message, MAX_WAITING_BYTES);
  }

  movePointer(message: object): void {
    this.#pointer = message;
  }

  /** Of a locked pointer: moves add up. */
  movePointerBy(movementX: number, movementY: number, rest: object): void {
    this.#movement = {
      movementX: clamp((this.#movement?.movementX ?? 0) + movementX),
      movementY: clamp((this.#movement?.movementY ?? 0) + movementY),
      rest,
    };
  }

  moveTouch(id: number, place: PicturePlace): void {
    this.#touches.set(id, place);
  }

  turnWheel(place: PicturePlace, deltaX: number, deltaY: number): void {
    const before = this.#wheel;
    this.#wheel = {
      place,
      deltaX: clamp((before?.deltaX ?? 0) + deltaX),
      deltaY: clamp((before?.deltaY ?? 0) + deltaY),
    };
  }

  /** Once a frame. */
  flush(): void {
    if (this.#pointer !== undefined && this.trySend(this.#pointer)) this.#pointer = undefined;
    if (this.#movement !== undefined) {
      const { rest, ...movement } = this.#movement;
      if (this.trySend({ ...rest, ...movement })) this.#movement = undefined;
    }
    const touches = Array.from(this.#touches, ([id, place]) => ({ id, ...place }));
    if (touches.length > 0 && this.trySend({ type: 'touch', action: 'move', touches })) this.#touches.clear();
    if (this.#wheel !== undefined) {
      const { place, deltaX, deltaY } = this.#wheel;
      if (this.trySend({ type: 'wheel', ...place, deltaX, deltaY })) this.#wheel = undefined;
    }
  }

  /** Drops what waits. */
  forget(): void {
    this.#pointer = undefined;
    this.#movement = undefined;
    this.#wheel = undefined;
    this.#touches.clear();
  }
}

function clamp(delta: number): number {
  return Math.min(MAX_DELTA, Math.max(-MAX_DELTA, delta));
}
