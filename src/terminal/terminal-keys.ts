import type { KeyboardMessage } from '../input/input-message.js';
import type { NamedKey } from '../input/key-name.js';
import type { HeldModifiers } from './terminal.js';

/**
 * What a key comes to: bytes, or a key of tmux's, which knows what the program has asked for (application cursor keys and
 * the like).
 */
export type TerminalKey =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'name'; readonly name: string };

const ESCAPE = 0x1b;
const DELETE = 0x7f;

/** From the names of UI Events. */
const TMUX_NAMES = new Map([
  ['Enter', 'Enter'],
  ['Tab', 'Tab'],
  ['Escape', 'Escape'],
  ['Backspace', 'BSpace'],
  ['Delete', 'DC'],
  ['Insert', 'IC'],
  ['Home', 'Home'],
  ['End', 'End'],
  ['PageUp', 'PPage'],
  ['PageDown', 'NPage'],
  ['ArrowUp', 'Up'],
  ['ArrowDown', 'Down'],
  ['ArrowLeft', 'Left'],
  ['ArrowRight', 'Right'],
  ...Array.from({ length: 12 }, (_, index): [string, string] => [`F${index + 1}`, `F${index + 1}`]),
]);

/** Characters whose control character is not that of a letter, as terminals have it. */
const CONTROL_CHARACTERS = new Map([
  [' ', 0x00],
  ['@', 0x00],
  ['2', 0x00],
  ['[', 0x1b],
  ['3', 0x1b],
  ['\\', 0x1c],
  ['4', 0x1c],
  [']', 0x1d],
  ['5', 0x1d],
  ['^', 0x1e],
  ['6', 0x1e],
  ['_', 0x1f],
  ['-', 0x1f],
  ['/', 0x1f],
  ['7', 0x1f],
  ['?', DELETE],
  ['8', DELETE],
]);

/** What a key of a name types. */
export function namedTerminalKey({ key, ctrl, alt, shift }: NamedKey): TerminalKey {
  const name = TMUX_NAMES.get(key);
  if (name === undefined) return { kind: 'bytes', bytes: characterBytes(key, { ctrl, alt, shift }) };
  if (name === 'Tab' && shift) return { kind: 'name', name: `${ctrl ? 'C-' : ''}${alt ? 'M-' : ''}BTab` };
  return { kind: 'name', name: `${ctrl ? 'C-' : ''}${alt ? 'M-' : ''}${shift ? 'S-' : ''}${name}` };
}

/** What a key of a keyboard types; undefined: nothing. `key` has Shift in it already where it is a character. */
export function keyboardTerminalKey(
  { action, key }: KeyboardMessage,
  held: HeldModifiers,
): TerminalKey | undefined {
  if (action === 'up') return undefined;
  if (TMUX_NAMES.has(key)) return namedTerminalKey({ key, ...held });
  // A longer name is a key that types nothing, such as Shift or MediaPlay.
  if (/^[A-Za-z0-9]{2,}$/.test(key)) return undefined;
  // Control and Alt together are how some keyboards make characters, such as @.
  const isMade = held.ctrl && held.alt && !/^[a-z ]$/i.test(key);
  const modifiers = isMade ? { ctrl: false, alt: false } : held;
  return { kind: 'bytes', bytes: characterBytes(key, { ...modifiers, shift: false }) };
}

function characterBytes(character: string, { ctrl, alt, shift }: HeldModifiers): Uint8Array {
  const shifted = shift ? character.toUpperCase() : character;
  const control = ctrl ? controlCharacter(shifted) : undefined;
  const bytes = control === undefined ? Buffer.from(shifted) : Buffer.from([control]);
  return alt ? Buffer.concat([Buffer.from([ESCAPE]), bytes]) : bytes;
}

function controlCharacter(character: string): number | undefined {
  // ECMA-48: the control characters are the letters without their two highest bits.
  if (/^[a-z]$/i.test(character)) return character.charCodeAt(0) & 0x1f;
  return CONTROL_CHARACTERS.get(character);
}
