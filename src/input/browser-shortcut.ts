import type { BrowserShortcut } from '../options/control-options.js';
import type { KeyEvent } from './keyboard-event.js';

/** Bits of the DevTools protocol. */
const ALT = 1;
const CTRL = 2;
const SHIFT = 8;

/**
 * The shortcut of the browser that a key is, where it is one of those that may act: then the event is given a native key
 * code, by which Chromium treats it as its own, unless the page prevents that.
 */
export function withShortcut(event: KeyEvent, permitted: ReadonlySet<BrowserShortcut>): KeyEvent {
  const shortcut = shortcutOf(event);
  if (shortcut === undefined || !permitted.has(shortcut)) return event;
  const { windowsVirtualKeyCode: keyCode = 0 } = event;
  return { ...event, nativeVirtualKeyCode: keyCode };
}

function shortcutOf({ key = '', modifiers = 0 }: KeyEvent): BrowserShortcut | undefined {
  const withoutShift = modifiers & ~SHIFT;
  if (key === 'F5' && (withoutShift === 0 || withoutShift === CTRL)) return 'reload';
  if (key.toLowerCase() === 'r' && withoutShift === CTRL) return 'reload';
  if ((key === 'ArrowLeft' || key === 'ArrowRight') && modifiers === ALT) return 'back';
  if (/^[-+=_0]$/.test(key) && withoutShift === CTRL) return 'zoom';
  return undefined;
}
