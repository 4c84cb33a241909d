// Holds README.md against the source: its table of options and its table of errors. Type, unit, bounds and default of an
// option come from its docstring, its meaning is written by hand.
//
//   --write   mends the tables: new rows get their docstring as meaning, rows of options that are gone are removed
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { documentedErrors, documentedOptions } from './documented-options.mjs';

const OPTIONS = { name: 'options', head: ['Option', 'Type', 'Default', 'Meaning'] };
const ERRORS = { name: 'errors', head: ['Status', 'Codes'] };

/**
 * @param root - folder that holds `src` and `README.md`.
 * @returns one sentence for each thing that README.md says otherwise than the source.
 */
export function readmeFaults(root) {
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  const { options, faults } = documentedOptions(root);
  return [
    ...faults,
    ...tableFaults(readme, OPTIONS, optionRows(options), 'option'),
    ...tableFaults(readme, ERRORS, errorRows(documentedErrors(root)), 'status'),
  ];
}

/** @returns the text of README.md with both tables mended. */
export function mendedReadme(root) {
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  const mended = replaceTable(readme, OPTIONS, optionRows(documentedOptions(root).options));
  return replaceTable(mended, ERRORS, errorRows(documentedErrors(root)));
}

/** Cells that the source decides; undefined: written by hand, with `suggestion` to begin with. */
function optionRows(options) {
  return options.map(({ name, type, required, unit, bounds, fallback, meaning }) => {
    const kind = [
      code(type),
      ...(unit === undefined ? [] : [unit]),
      ...(bounds === undefined ? [] : [bounds]),
    ];
    const isWord = /^(?:true|false|'[^']*'|\/)$/.test(fallback ?? '');
    return {
      cells: [
        code(name),
        kind.join(', '),
        required ? 'required' : isWord ? code(fallback) : (fallback ?? ''),
        undefined,
      ],
      suggestion: meaning.replace(/\.$/, ''),
    };
  });
}

/** One row a status. */
function errorRows(statuses) {
  const byStatus = new Map();
  for (const [name, status] of statuses) byStatus.set(status, [...(byStatus.get(status) ?? []), code(name)]);
  return [...byStatus]
    .sort(([one], [other]) => one - other)
    .map(([status, codes]) => ({ cells: [String(status), codes.join(', ')] }));
}

function code(text) {
  return `\`${text}\``;
}

function marks({ name }) {
  return { begin: `<!-- ${name}: begin -->`, end: `<!-- ${name}: end -->` };
}

/** What lies between the marks, as rows of cells by the text of their first. */
function readTable(readme, table) {
  const { begin, end } = marks(table);
  const from = readme.indexOf(begin);
  const to = readme.indexOf(end, from);
  if (from < 0 || to < 0) return undefined;
  const lines = readme.slice(from + begin.length, to).split('\n');
  const rows = lines.filter((line) => line.startsWith('|')).map(cellsOf);
  return { from: from + begin.length, to, head: rows[0] ?? [], rows: rows.slice(2) };
}

function cellsOf(line) {
  return line
    .trim()
    .slice(1, -1)
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim().replace(/\\\|/g, '|'));
}

function tableFaults(readme, table, expected, noun) {
  const found = readTable(readme, table);
  const { begin, end } = marks(table);
  if (found === undefined) return [`README.md has no table between ${begin} and ${end}`];
  const faults = [];
  const names = expected.map(({ cells: [name] }) => name);
  const byName = new Map(found.rows.map((cells) => [cells[0], cells]));
  for (const [name] of found.rows) {
    if (!names.includes(name)) faults.push(`README.md names the ${noun} ${name}, which src does not have`);
  }
  for (const { cells } of expected) {
    const stated = byName.get(cells[0]);
    if (stated === undefined) {
      faults.push(`README.md lacks the ${noun} ${cells[0]}`);
      continue;
    }
    cells.forEach((cell, column) => {
      const says = stated[column] ?? '';
      const heading = `${table.head[column]} of the ${noun} ${cells[0]}`;
      if (cell === undefined && says === '') faults.push(`README.md has no ${heading}`);
      if (cell !== undefined && says !== cell) {
        faults.push(
          `README.md says ${JSON.stringify(says)} for ${heading}, src says ${JSON.stringify(cell)}`,
        );
      }
    });
  }
  const order = (list) => list.filter((name) => byName.has(name) && names.includes(name)).join();
  if (faults.length === 0 && order([...byName.keys()]) !== order(names)) {
    faults.push(`README.md has another order of the table of ${table.name} than src`);
  }
  if (found.rows.length !== byName.size) faults.push(`README.md has a row of the ${table.name} twice`);
  return faults;
}

function replaceTable(readme, table, expected) {
  const found = readTable(readme, table);
  const { begin, end } = marks(table);
  if (found === undefined) throw new Error(`README.md has no place for ${begin} … ${end}`);
  const byName = new Map(found.rows.map((cells) => [cells[0], cells]));
  const rows = expected.map(({ cells, suggestion }) =>
    // By its heading, so that a column more does not lose what is written.
    cells.map((cell, column) => {
      const written = byName.get(cells[0])?.[found.head.indexOf(table.head[column])];
      return cell ?? (written === undefined || written === '' ? suggestion : written);
    }),
  );
  const line = (cells) => `| ${cells.map((cell) => cell.replace(/\|/g, '\\|')).join(' | ')} |`;
  const lines = [table.head, table.head.map(() => '---'), ...rows].map(line);
  return `${readme.slice(0, found.from)}\n\n${lines.join('\n')}\n\n${readme.slice(found.to)}`;
}

if (process.argv[1] === import.meta.filename) {
  const root = join(import.meta.dirname, '..');
  if (process.argv.includes('--write')) {
    const file = join(root, 'README.md');
    writeFileSync(file, mendedReadme(root));
    execFileSync(process.execPath, [join(root, 'node_modules/oxfmt/bin/oxfmt'), file]);
  }
  const faults = readmeFaults(root);
  for (const fault of faults) console.error(fault);
  if (faults.length > 0) {
    console.error('README.md and src disagree: `node scripts/readme-options.mjs --write` mends the tables');
    process.exitCode = 1;
  }
}
