import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { afterEach, expect, it } from 'vitest';

const script = pathToFileURL(join(import.meta.dirname, '../../../scripts/readme-options.mjs')).href;
const { mendedReadme, readmeFaults } = (await import(script)) as {
  mendedReadme: (root: string) => string;
  readmeFaults: (root: string) => string[];
};

const OPTIONS = `
export interface StreamKitOptions<TEnv = unknown> extends CountOptions<TEnv> {
  /** How long, ms, 10–60000. Default 100. */
  intervalMs?: number;
  /** Which of them. Default \`auto\`. */
  which?: 'auto' | 'none';
  /** Where to. Default: it is not kept. */
  store?: StoreOptions;
}`;
const STORE = `
export interface CountOptions<TEnv> {
  /** How many, 1–9. Default 4. */
  many?: number;
}
export interface StoreOptions {
  /** Its folder. */
  directory: string;
}`;
const ERRORS = `export const ERROR_STATUS = { bad_request: 400, bad_url: 400, gone: 410 } as const;`;
const TRUE_ROWS = [
  '| `many` | `number`, 1–9 | 4 | Hand-written |',
  '| `intervalMs` | `number`, ms, 10–60000 | 100 | How long |',
  "| `which` | `'auto' \\| 'none'` | `auto` | Which of them |",
  '| `store` | `StoreOptions` | it is not kept | Where to |',
  '| `store.directory` | `string` | required | Its folder |',
];
const TRUE_ERRORS = ['| 400 | `bad_request`, `bad_url` |', '| 410 | `gone` |'];

let root: string;
afterEach(() => rmSync(root, { recursive: true, force: true }));

function project(
  rows: readonly string[],
  errors: readonly string[] = TRUE_ERRORS,
  options = OPTIONS,
): string {
  root = mkdtempSync(join(tmpdir(), 'readme-options-'));
  for (const room of ['base', 'options']) mkdirSync(join(root, 'src', room), { recursive: true });
  writeFileSync(join(root, 'src/options/product-options.ts'), options);
  writeFileSync(join(root, 'src/options/store-options.ts'), STORE);
  writeFileSync(join(root, 'src/base/errors.ts'), ERRORS);
  const text = [
    '# Product',
    '<!-- options: begin -->',
    '| Option | Type | Default | Meaning |',
    '| --- | --- | --- | --- |',
    ...rows,
    '<!-- options: end -->',
    'Between.',
    '<!-- errors: begin -->',
    '| Status | Codes |',
    '| --- | --- |',
    ...errors,
    '<!-- errors: end -->',
    'After.',
  ];
  writeFileSync(join(root, 'README.md'), text.join('\n'));
  return root;
}

it('accepts tables that say what the source says', () => {
  expect(readmeFaults(project(TRUE_ROWS))).toEqual([]);
});

const FAULTS: readonly [what: string, rows: string[], errors: string[], fault: string][] = [
  ['an option that is lacking', TRUE_ROWS.slice(1), TRUE_ERRORS, 'README.md lacks the option `many`'],
  [
    'an option that does not exist',
    [...TRUE_ROWS, '| `more` | `number` | 1 | More |'],
    TRUE_ERRORS,
    'README.md names the option `more`, which src does not have',
  ],
  [
    'another default',
    TRUE_ROWS.map((row) => row.replace('| 100 |', '| 200 |')),
    TRUE_ERRORS,
    'README.md says "200" for Default of the option `intervalMs`, src says "100"',
  ],
  [
    'other bounds',
    TRUE_ROWS.map((row) => row.replace('10–60000', '1–60000')),
    TRUE_ERRORS,
    'README.md says "`number`, ms, 1–60000" for Type of the option `intervalMs`, src says "`number`, ms, 10–60000"',
  ],
  [
    'no meaning',
    TRUE_ROWS.map((row) => row.replace('Hand-written', '')),
    TRUE_ERRORS,
    'README.md has no Meaning of the option `many`',
  ],
  [
    'a row twice',
    [...TRUE_ROWS, TRUE_ROWS[0] ?? ''],
    TRUE_ERRORS,
    'README.md has a row of the options twice',
  ],
  [
    'another order',
    [...TRUE_ROWS].reverse(),
    TRUE_ERRORS,
    'README.md has another order of the table of options than src',
  ],
  [
    'an error that is lacking',
    TRUE_ROWS,
    ['| 400 | `bad_request` |', '| 410 | `gone` |'],
    'README.md says "`bad_request`" for Codes of the status 400, src says "`bad_request`, `bad_url`"',
  ],
];

it.each(FAULTS)('names %s', (_what, rows, errors, fault) => {
  expect(readmeFaults(project(rows, errors))).toEqual([fault]);
});

it('names a docstring that leaves out a default or the bounds of a number', () => {
  const options = OPTIONS.replace(', ms, 10–60000. Default 100.', '.');
  expect(readmeFaults(project(TRUE_ROWS, TRUE_ERRORS, options))).toEqual(
    expect.arrayContaining([
      'The docstring of the option intervalMs does not end in "Default …."',
      'The docstring of the option intervalMs does not name its bounds, such as ", ms, 10–60000"',
    ]),
  );
});

it('mends the tables and keeps what is written by hand', () => {
  const mended = mendedReadme(project([TRUE_ROWS[0] ?? '', '| `more` | `number` | 1 | More |'], []));
  const lines = mended.split('\n').filter((line) => line.startsWith('| `') || line.startsWith('| 4'));
  expect(lines).toEqual([...TRUE_ROWS, ...TRUE_ERRORS]);
  expect(mended).toMatch(/^# Product\n[^]*\nBetween\.\n[^]*\nAfter\.$/);
});
