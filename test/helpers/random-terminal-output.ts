const TEXTS = ['a', 'word ', 'é', '漢', 'lqk', '~x', '   ', 'end of a longer line of text '];
const PENS = [
  ...['0', '1', '2', '3', '4', '5', '7', '8', '9', '22', '23', '24', '25', '27', '28', '29', '39', '49'],
  ...['31', '92', '38;5;200', '38;2;1;200;3', '1;33', ''],
];
const BACKGROUNDS = ['44', '103', '48;5;20', '48;2;9;8;7', '35;45'];
const MODES = ['?1', '?7', '?25', '?1000', '?1002', '?1003', '?1004', '?1006', '?2004', '4'];
const PLAIN = [
  '\r',
  '\n',
  '\r\n',
  '\u000e',
  '\u000f',
  '\u001b(0',
  '\u001b(B',
  '\u001b)0',
  '\u001b)B',
  '\u001b=',
  '\u001b>',
];

/** What a program might write: text, pens, character sets, modes, moves, erasures, regions, tabs, both screens. */
export function randomOutput(random: () => number, cols: number, rows: number): Buffer {
  const below = (limit: number): number => Math.floor(random() * limit);
  const oneOf = (choices: readonly string[]): string => choices[below(choices.length)] ?? '';
  const place = (): string => `\u001b[${1 + below(rows)};${1 + below(cols)}H`;
  let isAlternate = false;
  const pieces: readonly (() => string)[] = [
    () => oneOf(TEXTS),
    () => oneOf(TEXTS),
    () => oneOf(TEXTS),
    () => 'x'.repeat(1 + below(cols)),
    () => oneOf(PLAIN),
    () => `\u001b[${oneOf(PENS)}m`,
    () => `\u001b[${oneOf(PENS)}m`,
    () => `\u001b[${oneOf(MODES)}${oneOf(['h', 'l'])}`,
    place,
    // tmux 3.3 does not tell of cells that were erased to a background, so none is set while something is erased.
    () =>
      `\u001b[${1 + below(rows - 1)};${1 + below(cols - 8)}H\u001b[${oneOf(BACKGROUNDS)}mcolour\u001b[49m`,
    () => `${place()}\u001b[${below(3)}K`,
    () => `${place()}\u001b[${below(3)}J`,
    // Outside a scroll region tmux shifts lines and xterm.js does not.
    () => `\u001b[r${place()}\u001b[${1 + below(3)}${oneOf(['L', 'M', 'P', '@', 'X'])}${place()}`,
    () => `${place()}\u001b[${1 + below(3)}${oneOf(['A', 'B', 'C', 'D', 'G', 'd'])}`,
    () => `\u001b[${1 + below(3)};${4 + below(rows - 3)}r${place()}`,
    () => {
      isAlternate = !isAlternate;
      // xterm.js has a scroll region and character sets for each screen, tmux one for both.
      return `\u001b(B\u001b)B\u000f\u001b[r\u001b[?1049${isAlternate ? 'h' : 'l'}\u001b[r${place()}`;
    },
    // xterm.js has tab stops for each screen, tmux for both.
    () => (isAlternate ? '' : `${place()}\u001bH`),
    () => (isAlternate ? '' : '\r\t'),
    () => `\u001b]2;${oneOf(TEXTS)}${oneOf(['\u0007', '\u001b\\'])}`,
    () => `\u001b[${below(7)} q`,
    () => `${place()}\u001bM`,
  ];
  const count = 5 + below(60);
  return Buffer.from(Array.from({ length: count }, () => pieces[below(pieces.length)]?.() ?? '').join(''));
}
