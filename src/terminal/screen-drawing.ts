/** Formats of tmux for what a screen has besides its text; each of them is a number. */
const FIELDS = [
  'cursor_x',
  'cursor_y',
  'alternate_on',
  'cursor_flag',
  'insert_flag',
  'keypad_cursor_flag',
  'keypad_flag',
  'wrap_flag',
  'origin_flag',
  'mouse_standard_flag',
  'mouse_button_flag',
  'mouse_all_flag',
  'mouse_sgr_flag',
  'scroll_region_upper',
  'scroll_region_lower',
  'pane_height',
] as const;

export type ScreenState = Readonly<Record<(typeof FIELDS)[number], number>>;

/** What tmux is asked to print of a screen. */
export const SCREEN_STATE_FORMAT = FIELDS.map((field) => `#{${field}}`).join(' ');

/** @returns undefined for what is no line of {@link SCREEN_STATE_FORMAT}. */
export function parseScreenState(line: string): ScreenState | undefined {
  const numbers = line.split(' ').map((text) => (/^\d{1,6}$/.test(text) ? Number(text) : 0));
  if (numbers.length !== FIELDS.length) return undefined;
  return Object.fromEntries(FIELDS.map((field, index) => [field, numbers[index] ?? 0])) as ScreenState;
}

const CSI = '\u001b[';
/** DEC private modes (xterm, Control Sequences), by the field that says whether they are set. */
const MODES = [
  ['insert_flag', '4'],
  ['keypad_cursor_flag', '?1'],
  ['wrap_flag', '?7'],
  ['origin_flag', '?6'],
  ['mouse_standard_flag', '?1000'],
  ['mouse_button_flag', '?1002'],
  ['mouse_all_flag', '?1003'],
  ['mouse_sgr_flag', '?1006'],
] as const satisfies readonly (readonly [keyof ScreenState, string])[];

/**
 * What draws a screen on a terminal of the same size, whatever it shows.
 *
 * @param text - its lines with escapes for colours, as `capture-pane -e` has them.
 */
export function screenDrawing(text: Uint8Array, state: ScreenState): Buffer {
  const lines = Buffer.from(text).toString('latin1').replace(/\n$/, '').replaceAll('\n', '\r\n');
  // Soft reset first: what is set on that terminal must not change how the text is drawn.
  const before = `${CSI}!p${CSI}?1049${state.alternate_on === 1 ? 'h' : 'l'}${CSI}H${CSI}2J`;
  const { scroll_region_upper: upper, scroll_region_lower: lower, pane_height: height } = state;
  const hasRegion = upper > 0 || lower < height - 1;
  const region = hasRegion ? `${CSI}${upper + 1};${lower + 1}r` : '';
  const modes = MODES.map(([field, mode]) => `${CSI}${mode}${state[field] === 1 ? 'h' : 'l'}`).join('');
  const keypad = state.keypad_flag === 1 ? '\u001b=' : '\u001b>';
  // With origin mode set the place of the cursor counts from the region's first row.
  const row = state.cursor_y - (state.origin_flag === 1 ? upper : 0);
  const cursor = `${CSI}${Math.max(0, row) + 1};${state.cursor_x + 1}H`;
  const shown = `${CSI}?25${state.cursor_flag === 0 ? 'l' : 'h'}`;
  return Buffer.from(`${before}${lines}${CSI}0m${region}${modes}${keypad}${cursor}${shown}`, 'latin1');
}
