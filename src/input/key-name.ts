/** A key that was named, such as `Enter`, `C-c` or `S-Up`. */
export interface NamedKey {
  /** One character, or the name of UI Events (`Enter`, `ArrowUp`, `F5`), whatever alias it was given by. */
  readonly key: string;
  readonly ctrl: boolean;
  readonly alt: boolean;
  readonly shift: boolean;
}

/** Names of tmux and of common use, lower case, for what UI Events calls otherwise. */
const ALIASES: Readonly<Record<string, string>> = {
  up: 'ArrowUp',
  down: 'ArrowDown',
  left: 'ArrowLeft',
  right: 'ArrowRight',
  esc: 'Escape',
  return: 'Enter',
  cr: 'Enter',
  bspace: 'Backspace',
  bs: 'Backspace',
  del: 'Delete',
  dc: 'Delete',
  ins: 'Insert',
  ic: 'Insert',
  pgup: 'PageUp',
  ppage: 'PageUp',
  pgdn: 'PageDown',
  pgdown: 'PageDown',
  npage: 'PageDown',
  space: ' ',
};

const NAMES: readonly string[] = [
  'Enter',
  'Tab',
  'Escape',
  'Backspace',
  'Delete',
  'Insert',
  'Home',
  'End',
  'PageUp',
  'PageDown',
  'ArrowUp',
  'ArrowDown',
  'ArrowLeft',
  'ArrowRight',
  ...Array.from({ length: 12 }, (_, index) => `F${index + 1}`),
];

const KEYS = new Map([
  ...NAMES.map((name): [string, string] => [name.toLowerCase(), name]),
  ...Object.entries(ALIASES),
]);

/** Each modifier at most once; then one character or a word. */
const PATTERN = /^((?:[CMS]-)*)([^\p{Cc}\p{Cs}]|[A-Za-z][A-Za-z0-9]{1,15})$/u;

/**
 * Reads the name of one key: modifiers `C-` (Ctrl), `M-` (Alt) and `S-` (Shift), then one printable character or a name,
 * whose case does not count. Undefined for what names no key.
 */
export function parseKeyName(name: string): NamedKey | undefined {
  const match = PATTERN.exec(name);
  if (match === null) return undefined;
  const [, modifiers = '', given = ''] = match;
  const ctrl = modifiers.includes('C-');
  const alt = modifiers.includes('M-');
  const shift = modifiers.includes('S-');
  if (modifiers.length !== 2 * (Number(ctrl) + Number(alt) + Number(shift))) return undefined;
  // tmux calls Shift and Tab so.
  if (given.toLowerCase() === 'btab') return { key: 'Tab', ctrl, alt, shift: true };
  // The words of the pattern have two letters or more, none beyond ASCII.
  const key = /^[A-Za-z0-9]{2}/.test(given) ? KEYS.get(given.toLowerCase()) : given;
  return key === undefined ? undefined : { key, ctrl, alt, shift };
}
