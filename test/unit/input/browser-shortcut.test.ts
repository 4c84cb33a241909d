import { expect, it } from 'vitest';

import { withShortcut } from '../../../src/input/browser-shortcut.js';
import type { BrowserShortcut } from '../../../src/options/control-options.js';

const [ALT, CTRL, SHIFT] = [1, 2, 8];
const ALL: readonly BrowserShortcut[] = ['reload', 'back', 'zoom'];

it.each([
  ['reload', 'F5', 0],
  ['reload', 'F5', CTRL],
  ['reload', 'r', CTRL],
  ['reload', 'R', CTRL | SHIFT],
  ['back', 'ArrowLeft', ALT],
  ['back', 'ArrowRight', ALT],
  ['zoom', '+', CTRL],
  ['zoom', '=', CTRL],
  ['zoom', '-', CTRL],
  ['zoom', '0', CTRL],
] as const)("%s: %s with modifiers %i is the browser's with the option alone", (shortcut, key, modifiers) => {
  const event = { type: 'rawKeyDown', key, modifiers, windowsVirtualKeyCode: 65 } as const;
  const isNative = (permitted: readonly BrowserShortcut[]): boolean =>
    withShortcut(event, new Set(permitted)).nativeVirtualKeyCode === 65;
  expect(isNative([shortcut])).toBe(true);
  expect(isNative(ALL.filter((other) => other !== shortcut))).toBe(false);
});

it.each([
  ['w', CTRL],
  ['F4', CTRL],
  ['F4', ALT],
  ['t', CTRL],
  ['n', CTRL],
  ['Tab', CTRL],
  ['r', 0],
  ['0', 0],
  ['ArrowLeft', 0],
  ['ArrowLeft', ALT | CTRL],
])("%s with modifiers %i is never the browser's", (key, modifiers) => {
  const event = { type: 'rawKeyDown', key, modifiers, windowsVirtualKeyCode: 65 } as const;
  expect(withShortcut(event, new Set(ALL))).toBe(event);
});
