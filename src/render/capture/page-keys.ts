import type { CdpSession } from './cdp-connection.js';

/** Virtual key codes of Windows, by `key`. */
const KEY_CODES: Readonly<Record<string, number>> = {
  Backspace: 8,
  Tab: 9,
  Enter: 13,
  Escape: 27,
  ' ': 32,
  End: 35,
  Home: 36,
  ArrowUp: 38,
  ArrowDown: 40,
};

/** Presses and releases a key of the page: one of those that move in a widget, a digit, or another character. */
export async function pressKey(cdp: CdpSession, key: string): Promise<void> {
  const windowsVirtualKeyCode = KEY_CODES[key] ?? key.toUpperCase().charCodeAt(0);
  const text = key === 'Enter' ? '\r' : key.length === 1 ? key : undefined;
  const code = key === ' ' ? 'Space' : /^\d$/.test(key) ? `Digit${key}` : key;
  const event = { key, code, windowsVirtualKeyCode };
  await cdp.send('Input.dispatchKeyEvent', {
    type: text === undefined ? 'rawKeyDown' : 'keyDown',
    ...event,
    ...(text === undefined ? {} : { text, unmodifiedText: text }),
  });
  await cdp.send('Input.dispatchKeyEvent', { type: 'keyUp', ...event });
}
