import type { OutputSequences } from './output-state.js';
import { OutputState } from './output-state.js';

/** Formats of tmux for what a screen has besides its text; each of them is a number. */
const FIELDS = [
  'cursor_x',
  'cursor_y',
  'alternate_on',
  'alternate_saved_x',
  'alternate_saved_y',
  'cursor_flag',
  'insert_flag',
  'keypad_cursor_flag',
  'keypad_flag',
  'wrap_flag',
  'origin_flag',
  'mouse_standard_flag',
  'mouse_button_flag',
  'mouse_all_flag',
  'mouse_utf8_flag',
  'mouse_sgr_flag',
  'scroll_region_upper',
  'scroll_region_lower',
  'pane_width',
  'pane_height',
] as const;

export type ScreenState = Readonly<Record<(typeof FIELDS)[number], number>> & {
  /** Columns, from 0, at which there is a tab stop. */
  readonly tabs: readonly number[];
};

/** What tmux is asked to print of a screen. */
export const SCREEN_STATE_FORMAT = [...FIELDS, 'pane_tabs'].map((field) => `#{${field}}`).join(' ');

/** @returns undefined for what is no line of {@link SCREEN_STATE_FORMAT}. */
export function parseScreenState(line: string): ScreenState | undefined {
  const words = line.split(' ');
  const tabs = (words.length > FIELDS.length ? (words.pop() ?? '') : '')
    .split(',')
    .filter((word) => word !== '');
  if (words.length !== FIELDS.length) return undefined;
  const numbers = Object.fromEntries(FIELDS.map((field, index) => [field, numberOf(words[index] ?? '')]));
  return { ...numbers, tabs: tabs.map(numberOf) } as unknown as ScreenState;
}

function numberOf(word: string): number {
  return /^\d{1,6}$/.test(word) ? Number(word) : 0;
}

/** A screen of a pane at one place of its output. */
export interface CapturedScreen {
  /** Its lines with escapes for colours, as `capture-pane -e -N` has them. */
  readonly text: Uint8Array;
  /** The normal screen while the program shows the alternate one; else empty. */
  readonly normalText: Uint8Array;
  readonly state: ScreenState;
  /** What the output has set and tmux does not tell. */
  readonly output: OutputSequences;
}

const CSI = '\u001b[';
/** Modes by the field that says whether they are set (xterm, Control Sequences). */
const MODES = [
  ['insert_flag', '4'],
  ['keypad_cursor_flag', '?1'],
  ['wrap_flag', '?7'],
] as const satisfies readonly (readonly [keyof ScreenState, string])[];
/** Resetting any of the first three resets all of them, so that all are reset before one is set. */
const MOUSE_MODES = [
  ['mouse_standard_flag', '?1000'],
  ['mouse_button_flag', '?1002'],
  ['mouse_all_flag', '?1003'],
  ['mouse_utf8_flag', '?1005'],
  ['mouse_sgr_flag', '?1006'],
] as const satisfies readonly (readonly [keyof ScreenState, string])[];
/** Characters of tmux's own are drawn with: ASCII, and line drawing in G1, which `capture-pane -e` shifts to. */
const DRAWING_SETS = '\u001b(B\u001b)0\u000f';

/** What draws a screen on a terminal of the same size, whatever it shows. */
export function screenDrawing(screen: CapturedScreen): Buffer {
  const { state, output } = screen;
  const lines = linesOf(screen.text);
  const { scroll_region_upper: upper, scroll_region_lower: lower, pane_height: height } = state;
  const hasRegion = upper > 0 || lower < height - 1;
  // With origin mode set the place of the cursor counts from the region's first row.
  const row = state.cursor_y - (state.origin_flag === 1 ? upper : 0);
  const isWrapPending = state.cursor_x >= state.pane_width;
  const parts = [
    // Soft reset first: what is set on that terminal must not change how the text is drawn.
    `${CSI}?1049l${CSI}!p${CSI}?7h`,
    ...(state.alternate_on === 1 ? normalScreen(screen) : []),
    `${CSI}0m${CSI}H${CSI}2J${DRAWING_SETS}${lines.join('\r\n')}`,
    tabStops(state.tabs),
    hasRegion ? `${CSI}${upper + 1};${lower + 1}r` : '',
    // Moves the cursor.
    `${CSI}?6${state.origin_flag === 1 ? 'h' : 'l'}`,
    `${CSI}${Math.max(0, row) + 1};${isWrapPending ? 1 : state.cursor_x + 1}H`,
    isWrapPending ? lineEndingAtMargin(lines, state) : '',
    ...MODES.map(([field, mode]) => `${CSI}${mode}${state[field] === 1 ? 'h' : 'l'}`),
    ...MOUSE_MODES.map(([, mode]) => `${CSI}${mode}l`),
    ...MOUSE_MODES.map(([field, mode]) => (state[field] === 1 ? `${CSI}${mode}h` : '')),
    state.keypad_flag === 1 ? '\u001b=' : '\u001b>',
    output.modes,
    `${CSI}?25${state.cursor_flag === 0 ? 'l' : 'h'}`,
    output.drawing,
  ];
  return Buffer.concat([Buffer.from(parts.join(''), 'latin1'), output.unfinished]);
}

function linesOf(text: Uint8Array): string[] {
  return Buffer.from(text).toString('latin1').replace(/\n$/, '').split('\n');
}

/** What is shown again once the program leaves the alternate screen, with the cursor that is restored then. */
function normalScreen({ normalText, state, output }: CapturedScreen): string[] {
  return [
    `${CSI}H${CSI}2J${DRAWING_SETS}${linesOf(normalText).join('\r\n')}`,
    tabStops(state.tabs),
    `${CSI}${state.alternate_saved_y + 1};${state.alternate_saved_x + 1}H`,
    output.savedDrawing,
    `${CSI}?1049h`,
  ];
}

function tabStops(tabs: readonly number[]): string {
  return `${CSI}3g${tabs.map((column) => `${CSI}${column + 1}G\u001bH`).join('')}`;
}

/**
 * The cursor waits beyond the last column: only a character written there brings it to that place, so the line is drawn
 * again, as the last one.
 */
function lineEndingAtMargin(lines: readonly string[], { cursor_y: row }: ScreenState): string {
  const before = new OutputState();
  before.push(Buffer.from(`${DRAWING_SETS}${lines.slice(0, row).join('')}`, 'latin1'));
  return `${before.sequences().drawing}${lines[row] ?? ''}`;
}
