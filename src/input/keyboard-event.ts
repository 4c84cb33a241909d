import type { InputCommands } from '../render/capture/page-controls.js';
import type { NamedKey } from './key-name.js';

export type KeyEvent = InputCommands['Input.dispatchKeyEvent'];

/** A key that is down. */
export interface HeldKey {
  readonly code: string;
  readonly key: string;
}

/** Bits of the DevTools protocol. */
const ALT = 1;
const CTRL = 2;
const META = 4;
const SHIFT = 8;

const MODIFIER_BITS: Readonly<Record<string, number>> = { Alt: ALT, Control: CTRL, Meta: META, Shift: SHIFT };

/** Virtual key codes of Windows, which `keyCode` of UI Events is, by `code`; of letters and digits by what they are. */
const KEY_CODES: Readonly<Record<string, number>> = {
  Backspace: 8,
  Tab: 9,
  Enter: 13,
  NumpadEnter: 13,
  ShiftLeft: 16,
  ShiftRight: 16,
  ControlLeft: 17,
  ControlRight: 17,
  AltLeft: 18,
  AltRight: 18,
  Pause: 19,
  CapsLock: 20,
  Escape: 27,
  Space: 32,
  PageUp: 33,
  PageDown: 34,
  End: 35,
  Home: 36,
  ArrowLeft: 37,
  ArrowUp: 38,
  ArrowRight: 39,
  ArrowDown: 40,
  PrintScreen: 44,
  Insert: 45,
  Delete: 46,
  MetaLeft: 91,
  MetaRight: 92,
  ContextMenu: 93,
  NumpadMultiply: 106,
  NumpadAdd: 107,
  NumpadSubtract: 109,
  NumpadDecimal: 110,
  NumpadDivide: 111,
  NumLock: 144,
  ScrollLock: 145,
  Semicolon: 186,
  Equal: 187,
  Comma: 188,
  Minus: 189,
  Period: 190,
  Slash: 191,
  Backquote: 192,
  BracketLeft: 219,
  Backslash: 220,
  BracketRight: 221,
  Quote: 222,
  IntlBackslash: 226,
};

/** What the number pad has without NumLock, by `key`. */
const NUMPAD_KEYS: Readonly<Record<string, number>> = {
  Clear: 12,
  PageUp: 33,
  PageDown: 34,
  End: 35,
  Home: 36,
  ArrowLeft: 37,
  ArrowUp: 38,
  ArrowRight: 39,
  ArrowDown: 40,
  Insert: 45,
  Delete: 46,
};

/** What a Mac's user means by the command key; other systems know these keys with Ctrl by themselves. */
const META_COMMANDS: Readonly<Record<string, string>> = {
  a: 'selectAll',
  c: 'copy',
  v: 'paste',
  x: 'cut',
  y: 'redo',
  z: 'undo',
};

/**
 * The event of a key that goes down or up. It has no native key code: so Chromium gives it to the page and never takes it
 * for a shortcut of its own, such as the one that closes the tab.
 *
 * @param held - the keys that its sender holds: with it where it goes down, without it where it goes up.
 */
export function keyEvent(
  action: 'down' | 'up',
  { code, key }: HeldKey,
  held: Iterable<HeldKey>,
  autoRepeat = false,
): KeyEvent {
  let modifiers = 0;
  let isAltGraph = key === 'AltGraph';
  for (const other of held) {
    modifiers |= MODIFIER_BITS[other.key] ?? 0;
    isAltGraph ||= other.key === 'AltGraph';
  }
  const text = action === 'down' ? typed(code, key, modifiers, isAltGraph) : undefined;
  // Windows tells AltGr as Ctrl and Alt. Neither is meant by one who types a character with them.
  if (isAltGraph || (text !== undefined && key.length === 1)) modifiers &= ~(ALT | CTRL);
  const keyCode = keyCodeOf(code, key);
  const command = (modifiers & META) === 0 ? undefined : META_COMMANDS[key.toLowerCase()];
  return {
    type: action === 'up' ? 'keyUp' : text === undefined ? 'rawKeyDown' : 'keyDown',
    code,
    key,
    modifiers,
    windowsVirtualKeyCode: keyCode,
    ...(text === undefined ? {} : { text, unmodifiedText: text }),
    ...(autoRepeat ? { autoRepeat } : {}),
    ...(code.startsWith('Numpad') ? { isKeypad: true, location: 3 } : {}),
    ...(/(?:Shift|Control|Alt|Meta)(?:Left|Right)/.test(code)
      ? { location: code.endsWith('Left') ? 1 : 2 }
      : {}),
    ...(action === 'down' && command !== undefined ? { commands: [command] } : {}),
  };
}

/** What the key types; undefined for none. */
function typed(code: string, key: string, modifiers: number, isAltGraph: boolean): string | undefined {
  if (key === 'Enter') return '\r';
  const isCharacter = [...new Intl.Segmenter().segment(key)].length === 1;
  if (!isCharacter || (modifiers & META) !== 0) return undefined;
  if (isAltGraph || (modifiers & (ALT | CTRL)) === (ALT | CTRL)) {
    // With both of them and a letter it is a shortcut; layouts have what AltGr types nowhere else.
    return isAltGraph || !/^[a-z0-9]$/i.test(key) ? key : undefined;
  }
  if ((modifiers & CTRL) !== 0) return undefined;
  // With Option a Mac types what the key has not alone: a letter or a digit there is a shortcut.
  const isOption = !/^[\x20-\x7e]$/.test(key) || (/^(?:Key|Digit)/.test(code) && !/^[a-z0-9]$/i.test(key));
  return (modifiers & ALT) === 0 || isOption ? key : undefined;
}

/** Shortcuts go by what the layout has there, where that is a letter or a digit of ASCII, else by the place. */
function keyCodeOf(code: string, key: string): number {
  // Without NumLock the keys of the number pad are those that move the caret.
  const moves = code.startsWith('Numpad') ? NUMPAD_KEYS[key] : undefined;
  if (moves !== undefined && Object.hasOwn(NUMPAD_KEYS, key)) return moves;
  const known = KEY_CODES[code];
  if (known !== undefined && Object.hasOwn(KEY_CODES, code)) return known;
  if (/^[a-z0-9]$/i.test(key) && !code.startsWith('Numpad')) return key.toUpperCase().charCodeAt(0);
  const [, letter] = /^(?:Key|Digit)([A-Z0-9])$/.exec(code) ?? [];
  if (letter !== undefined) return letter.charCodeAt(0);
  const [, numpad] = /^Numpad(\d)$/.exec(code) ?? [];
  if (numpad !== undefined) return 96 + Number(numpad);
  const [, f] = /^F(\d{1,2})$/.exec(code) ?? [];
  return f === undefined ? 0 : 111 + Number(f);
}

/** Where keys of the US layout are that a name may stand for. */
const PUNCTUATION: Readonly<Record<string, string>> = {
  ' ': 'Space',
  '-': 'Minus',
  '=': 'Equal',
  '[': 'BracketLeft',
  ']': 'BracketRight',
  ';': 'Semicolon',
  "'": 'Quote',
  ',': 'Comma',
  '.': 'Period',
  '/': 'Slash',
  '`': 'Backquote',
  '\\': 'Backslash',
};

const CTRL_KEY: HeldKey = { code: 'ControlLeft', key: 'Control' };
const ALT_KEY: HeldKey = { code: 'AltLeft', key: 'Alt' };
const SHIFT_KEY: HeldKey = { code: 'ShiftLeft', key: 'Shift' };

/** Presses and releases a key that was named, with its modifiers. */
export function namedKeyEvents({ key, ctrl, alt, shift }: NamedKey): KeyEvent[] {
  const modifiers = [...(ctrl ? [CTRL_KEY] : []), ...(alt ? [ALT_KEY] : []), ...(shift ? [SHIFT_KEY] : [])];
  const last = { code: codeOf(key), key };
  const events: KeyEvent[] = [];
  const held: HeldKey[] = [];
  for (const one of [...modifiers, last]) {
    held.push(one);
    events.push(keyEvent('down', one, held));
  }
  for (const one of [last, ...modifiers.reverse()]) {
    held.pop();
    events.push(keyEvent('up', one, held));
  }
  return events;
}

function codeOf(key: string): string {
  if (/^[a-z]$/i.test(key)) return `Key${key.toUpperCase()}`;
  if (/^\d$/.test(key)) return `Digit${key}`;
  return Object.hasOwn(PUNCTUATION, key) ? (PUNCTUATION[key] ?? '') : key.length === 1 ? '' : key;
}
