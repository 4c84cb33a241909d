import type { KeyboardMessage } from '../input/input-message.js';

const MODIFIERS = new Map<string, 'ctrl' | 'alt' | 'shift' | 'meta'>([
  ['Control', 'ctrl'],
  ['Alt', 'alt'],
  ['Shift', 'shift'],
  ['Meta', 'meta'],
]);

/** The modifier keys that one client holds down. */
export class HeldModifiers {
  ctrl = false;
  alt = false;
  shift = false;
  /** Commands of the client's own system: what is typed with it is not for the terminal. */
  meta = false;

  /** @returns whether the key is a modifier. */
  note({ action, key }: KeyboardMessage): boolean {
    const modifier = MODIFIERS.get(key);
    if (modifier === undefined) return false;
    this[modifier] = action === 'down';
    return true;
  }
}
