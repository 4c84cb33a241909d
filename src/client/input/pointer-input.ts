import type { InputSender } from './input-sender.js';
import { placeIn, type Box, type PicturePlace } from '../media/picture-place.js';

/** A pointer event of DOM, as far as it matters. */
export interface PointerStroke {
  readonly pointerId: number;
  readonly pointerType: string;
  /** -1 where none has changed. */
  readonly button: number;
  readonly buttons: number;
  readonly clientX: number;
  readonly clientY: number;
  /** Of a pointer that is locked. */
  readonly movementX?: number;
  readonly movementY?: number;
}

/** Pointer Events 3, section 3.1.1.1: the bit of each button in `buttons`. */
const BITS = [1, 4, 2, 8, 16];
const MAX_TOUCHES = 10;

/** Mouse, pen and fingers on the picture, with what of them is down. */
export class PointerInput {
  readonly #sender: InputSender;
  readonly #picture: () => Box;
  readonly #onPress: (type: 'pointer' | 'touch') => void;
  /** Bits as in `buttons`. */
  #held = 0;
  /** The pointer is locked here and in the page: it has no place, and tells by how much it moves. */
  isLocked = false;
  #last: { place: PicturePlace; pointerType: 'mouse' | 'pen' } | undefined;
  /** The number that the page knows a finger by, by pointer; at most {@link MAX_TOUCHES}. */
  readonly #touches = new Map<number, number>();

  constructor(sender: InputSender, picture: () => Box, onPress: (type: 'pointer' | 'touch') => void) {
    this.#sender = sender;
    this.#picture = picture;
    this.#onPress = onPress;
  }

  /** @returns whether it was on the picture. */
  down(stroke: PointerStroke): boolean {
    const place = placeIn(this.#picture(), stroke.clientX, stroke.clientY, this.#held !== 0);
    if (place === undefined) return false;
    if (stroke.pointerType === 'touch') this.#startTouch(stroke.pointerId, place);
    else this.#press(stroke, place);
    return true;
  }

  move(stroke: PointerStroke): void {
    const id = this.#touches.get(stroke.pointerId);
    const isHeld = id !== undefined || this.#held !== 0;
    const place = placeIn(this.#picture(), stroke.clientX, stroke.clientY, isHeld);
    if (place === undefined) return;
    if (stroke.pointerType === 'touch') {
      if (id !== undefined) this.#sender.moveTouch(id, place);
    } else if (stroke.button >= 0) {
      // A second button while one is down comes as a move: Pointer Events 3, section 2.1.
      if ((stroke.buttons & (BITS[stroke.button] ?? 0)) !== 0) this.#press(stroke, place);
      else this.#release(stroke, place);
    } else if (this.isLocked) {
      const { movementX = 0, movementY = 0 } = stroke;
      const rest = { type: 'pointer', action: 'move', buttons: this.#held, pointerType: kindOf(stroke) };
      this.#sender.movePointerBy(movementX, movementY, rest);
    } else {
      this.#last = { place, pointerType: kindOf(stroke) };
      this.#sender.movePointer({
        type: 'pointer',
        action: 'move',
        ...place,
        buttons: this.#held,
        pointerType: kindOf(stroke),
      });
    }
  }

  up(stroke: PointerStroke): void {
    const place = placeIn(this.#picture(), stroke.clientX, stroke.clientY, true);
    if (stroke.pointerType === 'touch') this.#endTouch(stroke.pointerId, 'end', place);
    else if (place !== undefined) this.#release(stroke, place);
  }

  cancel(stroke: PointerStroke): void {
    if (stroke.pointerType === 'touch') this.#endTouch(stroke.pointerId, 'cancel');
    else this.release();
  }

  /** @param unit - CSS pixels of a line or a page, in which the deltas may be. */
  wheel(event: { clientX: number; clientY: number; deltaX: number; deltaY: number }, unit: number): boolean {
    const place = placeIn(this.#picture(), event.clientX, event.clientY);
    if (place === undefined) return false;
    this.#sender.turnWheel(place, event.deltaX * unit, event.deltaY * unit);
    return true;
  }

  /** Lets go of everything. */
  release(): void {
    const { place, pointerType } = this.#last ?? { place: { x: 0, y: 0 }, pointerType: 'mouse' };
    BITS.forEach((bit, button) => {
      if ((this.#held & bit) === 0) return;
      this.#held &= ~bit;
      const buttons = this.#held;
      this.#sender.send({ type: 'pointer', action: 'up', ...place, button, buttons, pointerType });
    });
    for (const pointerId of [...this.#touches.keys()]) this.#endTouch(pointerId, 'cancel');
  }

  /** The page knows already. */
  forget(): void {
    this.#held = 0;
    this.#touches.clear();
  }

  #press(stroke: PointerStroke, place: PicturePlace): void {
    const bit = BITS[stroke.button];
    if (bit === undefined) return;
    const isFirst = this.#held === 0;
    this.#held |= bit;
    this.#tell('down', stroke, place);
    // A page gets `pointerdown` for the first button alone.
    if (isFirst) this.#onPress('pointer');
  }

  #release(stroke: PointerStroke, place: PicturePlace): void {
    const bit = BITS[stroke.button];
    if (bit === undefined || (this.#held & bit) === 0) return;
    this.#held &= ~bit;
    this.#tell('up', stroke, place);
  }

  #tell(action: 'down' | 'up', stroke: PointerStroke, place: PicturePlace): void {
    const { button } = stroke;
    const pointerType = kindOf(stroke);
    this.#last = { place, pointerType };
    const at = this.isLocked ? { movementX: 0, movementY: 0 } : place;
    this.#sender.send({ type: 'pointer', action, ...at, button, buttons: this.#held, pointerType });
  }

  #startTouch(pointerId: number, place: PicturePlace): void {
    if (this.#touches.size >= MAX_TOUCHES || this.#touches.has(pointerId)) return;
    const taken = new Set(this.#touches.values());
    let id = 0;
    while (taken.has(id)) id++;
    this.#touches.set(pointerId, id);
    this.#sender.send({ type: 'touch', action: 'start', touches: [{ id, ...place }] });
    this.#onPress('touch');
  }

  #endTouch(pointerId: number, action: 'end' | 'cancel', place?: PicturePlace): void {
    const id = this.#touches.get(pointerId);
    if (id === undefined) return;
    this.#touches.delete(pointerId);
    this.#sender.send({ type: 'touch', action, touches: [{ id, ...place }] });
  }
}

function kindOf({ pointerType }: PointerStroke): 'mouse' | 'pen' {
  return pointerType === 'pen' ? 'pen' : 'mouse';
}
