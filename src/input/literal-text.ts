import { InputError } from './input-error.js';
import type { NamedKey } from './key-name.js';

/** Keys among literal text that are pressed one by one at most; the rest is inserted as it is. */
const MAX_KEYS = 256;

const NAMES: Readonly<Record<string, string>> = {
  '\r': 'Enter',
  '\n': 'Enter',
  '\t': 'Tab',
  '\b': 'Backspace',
  '\x7f': 'Backspace',
  '\x1b': 'Escape',
};

/**
 * Text as a terminal is sent it, for a page: what is printed is text, what controls is a key (`\r` is Enter, `\x03` is
 * Ctrl and C).
 *
 * @throws InputError `bad_input` for more than 256 keys.
 */
export function literalParts(data: string): (string | NamedKey)[] {
  // oxlint-disable-next-line no-control-regex -- it is they that are looked for.
  const found = data.replaceAll('\r\n', '\r').match(/[\x00-\x1f\x7f]|[^\x00-\x1f\x7f]+/g) ?? [];
  const parts = found.map((part): string | NamedKey => {
    const code = part.charCodeAt(0);
    if (code >= 0x20 && code !== 0x7f) return part;
    const name = NAMES[part];
    // ASCII: Ctrl clears the upper bits of the letter.
    const key = name ?? String.fromCharCode(code + 0x40).toLowerCase();
    return { key, ctrl: name === undefined, alt: false, shift: false };
  });
  if (parts.filter((part) => typeof part !== 'string').length > MAX_KEYS) {
    throw new InputError('bad_input', `Expected at most ${MAX_KEYS} control characters in data`);
  }
  return parts;
}
