import { describe, expect, it } from 'vitest';

import type { KeyboardMessage } from '../../../src/input/input-message.js';
import { parseKeyName } from '../../../src/input/key-name.js';
import type { TerminalKey } from '../../../src/terminal/terminal-keys.js';
import { keyboardTerminalKey, namedTerminalKey } from '../../../src/terminal/terminal-keys.js';

const none = { ctrl: false, alt: false, shift: false };

function shown(key: TerminalKey | undefined): string | undefined {
  return key?.kind === 'bytes' ? JSON.stringify(Buffer.from(key.bytes).toString()) : key?.name;
}

describe('a key by its name', () => {
  it.each([
    ['Enter', 'Enter'],
    ['C-Up', 'C-Up'],
    ['C-M-S-F12', 'C-M-S-F12'],
    ['S-Tab', 'BTab'],
    ['BTab', 'BTab'],
    ['PageUp', 'PPage'],
    ['Del', 'DC'],
    ['a', '"a"'],
    ['S-a', '"A"'],
    ['C-a', '"\\u0001"'],
    ['C-[', '"\\u001b"'],
    ['C-\\', '"\\u001c"'],
    ['C-Space', '"\\u0000"'],
    ['C-?', '"\u007f"'],
    ['M-C-d', '"\\u001b\\u0004"'],
    ['M-;', '"\\u001b;"'],
    ['C-é', '"é"'],
  ])('%s is %s', (name, expected) => {
    const named = parseKeyName(name);
    expect(named === undefined ? undefined : shown(namedTerminalKey(named))).toBe(expected);
  });

  it('is never more than letters, digits and dashes to tmux', () => {
    for (const key of ['Enter', 'ArrowUp', 'F1', 'Insert', 'Tab', 'Backspace']) {
      for (const [ctrl, alt, shift] of [
        [true, true, true],
        [false, false, false],
        [true, false, true],
      ] as const) {
        expect(shown(namedTerminalKey({ key, ctrl, alt, shift }))).toMatch(/^[A-Za-z0-9-]+$/);
      }
    }
  });
});

describe('a key of a keyboard', () => {
  const press = (key: string, held = none): string | undefined => {
    const message: KeyboardMessage = { type: 'keyboard', action: 'down', code: '', key, repeat: false };
    return shown(keyboardTerminalKey(message, held));
  };

  it('types what stands on it', () => {
    expect(press('a')).toBe('"a"');
    expect(press('A', { ...none, shift: true })).toBe('"A"');
    expect(press('é')).toBe('"é"');
    expect(press(' ', { ...none, ctrl: true })).toBe('"\\u0000"');
    expect(press('c', { ...none, ctrl: true })).toBe('"\\u0003"');
    expect(press('x', { ...none, alt: true })).toBe('"\\u001bx"');
    expect(press('ArrowLeft', { ...none, shift: true })).toBe('S-Left');
  });

  it('types a character that is made with Control and Alt as it is', () => {
    expect(press('@', { ctrl: true, alt: true, shift: false })).toBe('"@"');
    expect(press('q', { ctrl: true, alt: true, shift: false })).toBe('"\\u001b\\u0011"');
  });

  it.each(['Shift', 'Control', 'Dead', 'Unidentified', 'MediaPlayPause', 'CapsLock', 'F13'])(
    'types nothing with %s',
    (key) => {
      expect(press(key)).toBeUndefined();
    },
  );

  it('types nothing when it is let go', () => {
    const message: KeyboardMessage = { type: 'keyboard', action: 'up', code: '', key: 'a', repeat: false };
    expect(keyboardTerminalKey(message, none)).toBeUndefined();
  });
});
