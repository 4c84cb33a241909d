// Generates the table of options in docs/options.md and the table of error codes in docs/troubleshooting.md from the source.
//
//   --write   updates the tables; without it, a table that is out of date is an error
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { documentedErrors, documentedOptions } from './documented-options.mjs';

const TABLES = [
  {
    file: 'docs/options.md',
    name: 'options',
    head: ['Option', 'Type', 'Default', 'Meaning'],
    rows: (root) => documentedOptions(root).options.map(optionRow),
  },
  {
    file: 'docs/troubleshooting.md',
    name: 'errors',
    head: ['Status', 'Codes'],
    rows: (root) => errorRows(documentedErrors(root)),
  },
];

/**
 * @param root - folder that holds `src` and `docs`.
 * @returns one sentence for each table that differs from the source.
 */
export function optionDocsFaults(root) {
  const outdated = TABLES.filter(({ file, ...table }) => {
    const text = readFileSync(join(root, file), 'utf8');
    return withTable(text, table, root) !== text;
  });
  return [
    ...documentedOptions(root).faults,
    ...outdated.map(({ file, name }) => `${file}: the table of ${name} is out of date`),
  ];
}

/** Updates both tables. */
export function writeOptionDocs(root) {
  for (const { file, ...table } of TABLES) {
    const path = join(root, file);
    writeFileSync(path, withTable(readFileSync(path, 'utf8'), table, root));
  }
}

function optionRow({ name, type, required, unit, bounds, fallback = '', meaning }) {
  const kind = [code(type), unit, bounds].filter((part) => part !== undefined).join(', ');
  const isWord = /^(?:true|false|'[^']*'|\/)$/.test(fallback);
  return [
    code(name),
    kind,
    required ? 'required' : isWord ? code(fallback) : fallback,
    meaning.replace(/\.$/, ''),
  ];
}

/** One row per status. */
function errorRows(statuses) {
  const byStatus = new Map();
  for (const [name, status] of statuses) byStatus.set(status, [...(byStatus.get(status) ?? []), code(name)]);
  return [...byStatus]
    .sort(([one], [other]) => one - other)
    .map(([status, codes]) => [status, codes.join(', ')]);
}

function code(text) {
  return `\`${text}\``;
}

/** `text` with the table of now between its marks. */
function withTable(text, { name, head, rows }, root) {
  const begin = `<!-- ${name}: begin -->`;
  const end = `<!-- ${name}: end -->`;
  const from = text.indexOf(begin);
  const to = text.indexOf(end, from);
  if (from < 0 || to < 0) throw new Error(`The page has no place for a table between ${begin} and ${end}`);
  const line = (cells) => `| ${cells.map((cell) => String(cell).replace(/\|/g, '\\|')).join(' | ')} |`;
  const lines = [head, head.map(() => '---'), ...rows(root)].map(line);
  return `${text.slice(0, from)}${begin}\n\n${lines.join('\n')}\n\n${text.slice(to)}`;
}

if (process.argv[1] === import.meta.filename) {
  const root = join(import.meta.dirname, '..');
  if (process.argv.includes('--write')) writeOptionDocs(root);
  const faults = optionDocsFaults(root);
  for (const fault of faults) console.error(fault);
  if (faults.length > 0) {
    console.error('Run `npm run docs` to update the generated tables');
    process.exitCode = 1;
  }
}
