import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { afterEach, expect, it } from 'vitest';

const script = pathToFileURL(join(import.meta.dirname, '../../../scripts/option-docs.mjs')).href;
const { optionDocsFaults, writeOptionDocs } = (await import(script)) as {
  optionDocsFaults: (root: string) => string[];
  writeOptionDocs: (root: string) => void;
};

const OPTIONS = `
const PRODUCT = {
  /** How long, ms, 10–60000. Default 100. */
  intervalMs: option<number>(integerBetween(10, 60_000), 100),
  /** Which of them. Default \`auto\`. */
  which: option<'auto' | 'none'>(oneOf('auto', 'none'), 'auto'),
  /** Where to. Default: it is not kept. */
  store: option<StoreOptions, ResolvedStoreOptions>(storeOptions),
};
export interface StreamKitOptions<TEnv = unknown> extends CountOptions<TEnv>, OptionsOf<typeof PRODUCT> {}`;
const STORE = `
const COUNT = { count: option<AnyFunction>(aFunction) };
export interface CountOptions<TEnv> extends OptionsOf<typeof COUNT> {
  /** Counts. Default none. */
  count?: (env: TEnv) => number;
  /** How many, 1–9. Default 4. */
  many?: number;
}
const STORE = {
  /** Its folder. */
  directory: required<string>(directoryPath),
};
export interface StoreOptions extends OptionsOf<typeof STORE> {}`;
const ERRORS = `export const ERROR_STATUS = { bad_request: 400, bad_url: 400, gone: 410 } as const;`;
const TRUE_ROWS = [
  '| `count` | `(env) => number` | none | Counts |',
  '| `many` | `number`, 1–9 | 4 | How many |',
  '| `intervalMs` | `number`, ms, 10–60000 | 100 | How long |',
  "| `which` | `'auto' \\| 'none'` | `auto` | Which of them |",
  '| `store` | `StoreOptions` | it is not kept | Where to |',
  '| `store.directory` | `string` | required | Its folder |',
];
const TRUE_ERRORS = ['| 400 | `bad_request`, `bad_url` |', '| 410 | `gone` |'];

let root: string;
afterEach(() => rmSync(root, { recursive: true, force: true }));

function project(rows: readonly string[], errors = TRUE_ERRORS, options = OPTIONS): string {
  root = mkdtempSync(join(tmpdir(), 'option-docs-'));
  for (const folder of ['src/protocol', 'src/options', 'docs'])
    mkdirSync(join(root, folder), { recursive: true });
  writeFileSync(join(root, 'src/options/product-options.ts'), options);
  writeFileSync(join(root, 'src/options/store-options.ts'), STORE);
  writeFileSync(join(root, 'src/protocol/error-codes.ts'), ERRORS);
  page('options', ['| Option | Type | Default | Meaning |', '| --- | --- | --- | --- |', ...rows]);
  page('errors', ['| Status | Codes |', '| --- | --- |', ...errors]);
  return root;
}

const FILES = { options: 'docs/options.md', errors: 'docs/troubleshooting.md' };

function page(name: keyof typeof FILES, table: readonly string[]): void {
  const marked = [`<!-- ${name}: begin -->`, '', ...table, '', `<!-- ${name}: end -->`];
  writeFileSync(join(root, FILES[name]), ['Before.', ...marked, 'After.'].join('\n'));
}

it('accepts tables that equal the source', () => {
  expect(optionDocsFaults(project(TRUE_ROWS))).toEqual([]);
});

it.each([
  ['a missing option', TRUE_ROWS.slice(1)],
  ['another default', TRUE_ROWS.map((row) => row.replace('| 100 |', '| 200 |'))],
  ['other bounds', TRUE_ROWS.map((row) => row.replace('10–60000', '1–60000'))],
  ['a row twice', [...TRUE_ROWS, TRUE_ROWS[0] ?? '']],
  ['another order', [...TRUE_ROWS].reverse()],
])('the check reports %s, and writing the tables corrects it', (_what, rows) => {
  const folder = project(rows);
  expect(optionDocsFaults(folder)).toEqual(['docs/options.md: the table of options is out of date']);
  writeOptionDocs(folder);
  expect(optionDocsFaults(folder)).toEqual([]);
  expect(readFileSync(join(folder, FILES.options), 'utf8')).toMatch(/^Before\.\n[^]*\nAfter\.$/);
});

it('the check reports a missing error code', () => {
  const folder = project(TRUE_ROWS, ['| 400 | `bad_request` |', '| 410 | `gone` |']);
  expect(optionDocsFaults(folder)).toEqual(['docs/troubleshooting.md: the table of errors is out of date']);
});

it('the check reports a docstring without a default or without the bounds of a number', () => {
  const folder = project(TRUE_ROWS, TRUE_ERRORS, OPTIONS.replace(', ms, 10–60000. Default 100.', '.'));
  expect(optionDocsFaults(folder)).toEqual(
    expect.arrayContaining([
      'The docstring of the option intervalMs does not end in "Default …."',
      'The docstring of the option intervalMs does not name its bounds, such as ", ms, 10–60000"',
    ]),
  );
});
