import { expect, it } from 'vitest';

import { HeldKeys, isPaste, type KeyStroke } from '../../../../src/client/input/held-keys.js';

function stroke(
  code: string,
  key: string,
  more: Partial<KeyStroke> & { modifiers?: string[] } = {},
): KeyStroke {
  return {
    code,
    key,
    repeat: false,
    altKey: false,
    ctrlKey: false,
    metaKey: false,
    getModifierState: (name) => more.modifiers?.includes(name) ?? false,
    ...more,
  };
}

const key = (action: 'down' | 'up', code: string, name: string): object => ({
  type: 'keyboard',
  action,
  code,
  key: name,
});

it('a key goes up as it went down, and only if it did', () => {
  const keys = new HeldKeys(false);
  expect(keys.up(stroke('KeyA', 'a'))).toEqual([]);
  expect(keys.down(stroke('KeyA', 'A'))).toEqual({ ...key('down', 'KeyA', 'A'), repeat: false });
  expect(keys.down(stroke('KeyA', 'A', { repeat: true }))).toMatchObject({ repeat: true });
  // Shift was let go of in between.
  expect(keys.up(stroke('KeyA', 'a'))).toEqual([key('up', 'KeyA', 'A')]);
  expect(keys.up(stroke('KeyA', 'a'))).toEqual([]);
});

it('a key that repeats although the page knows nothing of it is pressed', () => {
  expect(new HeldKeys(false).down(stroke('KeyA', 'a', { repeat: true }))).toMatchObject({ repeat: false });
});

it('lets go of everything, last first, once', () => {
  const keys = new HeldKeys(false);
  keys.down(stroke('ShiftLeft', 'Shift'));
  keys.down(stroke('KeyA', 'A'));
  expect(keys.release()).toEqual([key('up', 'KeyA', 'A'), key('up', 'ShiftLeft', 'Shift')]);
  expect(keys.release()).toEqual([]);
  keys.down(stroke('KeyB', 'b'));
  keys.forget();
  expect(keys.release()).toEqual([]);
});

it('what an input method works on, and what the server would refuse, is left to the browser', () => {
  const keys = new HeldKeys(false);
  for (const name of ['Process', 'Dead', 'Unidentified', '', 'not a name at all']) {
    expect(keys.down(stroke('KeyA', name))).toBeUndefined();
  }
  expect(keys.release()).toEqual([]);
});

it('the third level of a keyboard is text, not a shortcut', () => {
  const keys = new HeldKeys(false);
  const at = stroke('KeyQ', '@', { modifiers: ['AltGraph'], ctrlKey: true, altKey: true });
  expect(keys.down(at)).toEqual({ type: 'text', text: '@' });
  expect(keys.release()).toEqual([]);
  expect(new HeldKeys(true).down(stroke('KeyA', 'å', { altKey: true }))).toEqual({ type: 'text', text: 'å' });
  expect(keys.down(stroke('KeyA', 'a', { altKey: true }))).toMatchObject({ type: 'keyboard' });
});

it('Command of a Mac is Control, and takes with it the keys whose release is never told', () => {
  const keys = new HeldKeys(true);
  expect(keys.down(stroke('MetaLeft', 'Meta'))).toMatchObject(key('down', 'ControlLeft', 'Control'));
  keys.down(stroke('ShiftLeft', 'Shift'));
  keys.down(stroke('KeyC', 'c', { metaKey: true }));
  expect(keys.up(stroke('MetaLeft', 'Meta'))).toEqual([
    key('up', 'KeyC', 'c'),
    key('up', 'ControlLeft', 'Control'),
  ]);
  expect(keys.release()).toEqual([key('up', 'ShiftLeft', 'Shift')]);
});

it('knows what the browser makes a paste of', () => {
  const shift = { shiftKey: true };
  const none = { shiftKey: false };
  expect(isPaste({ ...stroke('KeyV', 'v', { ctrlKey: true }), ...none })).toBe(true);
  expect(isPaste({ ...stroke('KeyV', 'V', { metaKey: true }), ...shift })).toBe(true);
  expect(isPaste({ ...stroke('Insert', 'Insert'), ...shift })).toBe(true);
  expect(isPaste({ ...stroke('KeyV', 'v'), ...none })).toBe(false);
});
