import { describe, expect, it } from 'vitest';

import { withShortcut } from '../../../src/input/browser-shortcut.js';
import { keyEvent } from '../../../src/input/keyboard-event.js';

const CONTROL = { code: 'ControlLeft', key: 'Control' };
const ALT = { code: 'AltLeft', key: 'Alt' };
const SHIFT = { code: 'ShiftLeft', key: 'Shift' };

describe('a key that is a shortcut of the browser', () => {
  it.each([
    ['Ctrl+W', { code: 'KeyW', key: 'w' }, [CONTROL]],
    ['Ctrl+Shift+W', { code: 'KeyW', key: 'W' }, [CONTROL, SHIFT]],
    ['Ctrl+F4', { code: 'F4', key: 'F4' }, [CONTROL]],
    ['Alt+F4', { code: 'F4', key: 'F4' }, [ALT]],
    ['Ctrl+T', { code: 'KeyT', key: 't' }, [CONTROL]],
    ['F5', { code: 'F5', key: 'F5' }, []],
  ])('has no native key code, by which Chromium would act on it: %s', (_name, key, held) => {
    const event = keyEvent('down', key, [...held, key]);
    for (const permitted of [[], ['zoom'] as const]) {
      expect(withShortcut(event, new Set(permitted))).not.toHaveProperty('nativeVirtualKeyCode');
    }
  });

  it.each([
    ['reload', { code: 'F5', key: 'F5' }, []],
    ['reload', { code: 'KeyR', key: 'R' }, [CONTROL, SHIFT]],
    ['back', { code: 'ArrowLeft', key: 'ArrowLeft' }, [ALT]],
    ['zoom', { code: 'Equal', key: '+' }, [CONTROL, SHIFT]],
  ] as const)('acts where the options permit it: %s by %o', (shortcut, key, held) => {
    const event = keyEvent('down', key, [...held, key]);
    expect(withShortcut(event, new Set([shortcut]))).toHaveProperty('nativeVirtualKeyCode');
  });
});

it.each([
  ['Numpad4', 'ArrowLeft', 37],
  ['Numpad4', '4', 100],
  ['NumpadDecimal', 'Delete', 46],
  ['NumpadDecimal', '.', 110],
  ['Numpad5', 'Clear', 12],
  ['NumpadEnter', 'Enter', 13],
])('the number pad moves the caret without NumLock: %s as %s', (code, key, keyCode) => {
  expect(keyEvent('down', { code, key }, []).windowsVirtualKeyCode).toBe(keyCode);
});
