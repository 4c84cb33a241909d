// Fails where the house is out of order: an import into a room that may not be entered, an import cycle, a file
// over 400 lines that does not say why, a file name that names no noun, an index that exports by wildcard.
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative, sep } from 'node:path';

import ts from 'typescript';

/** Files at the top of src that every room may import. */
const LEAVES = [
  'access-options',
  'clock',
  'control-options',
  'encoder-names',
  'errors',
  'ice-server-options',
  'launch-options',
  'logger',
  'logger-option',
  'observability-options',
  'option-checks',
  'options',
  'own-address',
  'process-table',
  'public-address',
  'recording-options',
  'redacting-logger',
  'target-policy',
  'terminal-options',
  'token-bucket',
  'turn-rest',
];

/**
 * What each room may import besides itself and the leaves; `types`: with `import type` alone. A page has its own
 * folder, is loaded by a browser and shares nothing with the rest.
 */
const ROOMS = {
  capture: {},
  encode: { values: ['capture'] },
  packetize: { values: ['encode'] },
  input: { types: ['capture'] },
  fanout: { values: ['packetize', 'encode'] },
  peer: { values: ['fanout', 'encode'] },
  recording: { values: ['packetize', 'encode'] },
  terminal: { values: ['input'] },
  session: {
    types: ['capture', 'encode', 'packetize', 'fanout', 'input', 'peer', 'recording', 'terminal'],
  },
  http: { values: ['session'] },
  // Listens to all of them, and nothing of theirs depends on it.
  observe: { types: ['encode', 'fanout', 'session', 'http'] },
  // Its doctor looks at what the rooms would use.
  demo: { values: ['index', 'router', 'capture', 'encode', 'fanout'] },
  client: { page: true },
  // It reaches the client by the package's name, as the demo's page does.
  react: { page: true },
  'capture/page': { page: true },
  'demo/page': { page: true },
};

/** The composition root and the public surface may enter every room. */
const EVERYWHERE = ['index', 'router'];

const MAX_LINES = 400;
const VAGUE_NAMES = new Set(['utils', 'util', 'helpers', 'helper', 'common', 'misc']);

/**
 * @param root - folder that holds `src`.
 * @returns one sentence for each thing out of order.
 */
export function checkRooms(root) {
  const src = join(root, 'src');
  const files = readdirSync(src, { recursive: true })
    .filter((name) => /\.m?tsx?$/.test(name) && !name.endsWith('.d.ts'))
    .map((name) => name.split(sep).join('/'))
    .sort();
  const known = new Set(files);
  const graph = new Map();
  const faults = [];

  for (const file of files) {
    const text = readFileSync(join(src, file), 'utf8');
    faults.push(...checkFile(file, text));
    const imports = importsOf(file, text).flatMap(({ specifier, typeOnly }) => {
      const target = resolve(file, specifier, known);
      return target === undefined ? [] : [{ target, typeOnly }];
    });
    graph.set(
      file,
      imports.map(({ target }) => target),
    );
    for (const { target, typeOnly } of imports) {
      const fault = checkImport(file, target, typeOnly);
      if (fault !== undefined) faults.push(`src/${file}: ${fault}`);
    }
  }
  return [...faults, ...cyclesOf(graph)];
}

function checkFile(file, text) {
  const faults = [];
  const lines = text.split('\n');
  const count = lines.at(-1) === '' ? lines.length - 1 : lines.length;
  const excused = lines.slice(0, 5).some((line) => /^\/\/ Over 400 lines: \S/.test(line));
  if (count > MAX_LINES && !excused) {
    faults.push(`src/${file}: ${count} lines without a reason ("// Over 400 lines: ...")`);
  }
  for (const part of file.replace(/\.\w+$/, '').split('/')) {
    if (VAGUE_NAMES.has(part)) faults.push(`src/${file}: "${part}" names no noun`);
  }
  if (file === 'index.ts' && /^export\s+(?:type\s+)?\*/m.test(text)) {
    faults.push(`src/${file}: exports by wildcard`);
  }
  return faults;
}

/** Every module specifier in a file, and whether nothing but types comes through it. */
function importsOf(file, text) {
  const found = [];
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, false);
  const visit = (node) => {
    if (ts.isImportDeclaration(node)) {
      const clause = node.importClause;
      const named = clause?.namedBindings;
      const allTypes =
        clause !== undefined &&
        clause.name === undefined &&
        named !== undefined &&
        ts.isNamedImports(named) &&
        named.elements.length > 0 &&
        named.elements.every((element) => element.isTypeOnly);
      const typeOnly = clause?.phaseModifier === ts.SyntaxKind.TypeKeyword || allTypes;
      found.push({ specifier: node.moduleSpecifier.text, typeOnly });
    } else if (ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined) {
      found.push({ specifier: node.moduleSpecifier.text, typeOnly: node.isTypeOnly });
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      found.push({ specifier: node.argument.literal.text, typeOnly: true });
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const [argument] = node.arguments;
      if (ts.isStringLiteralLike(argument)) found.push({ specifier: argument.text, typeOnly: false });
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/** The file of src behind a relative specifier; undefined for a package. */
function resolve(file, specifier, known) {
  if (!specifier.startsWith('.')) return undefined;
  const path = join(dirname(file), specifier).split(sep).join('/');
  const candidates = [path, path.replace(/\.(m?)js$/, '.$1ts'), `${path}.ts`, `${path}/index.ts`];
  return candidates.find((candidate) => known.has(candidate)) ?? path;
}

/** The room of a file: its folder, or its own name at the top of src. */
function roomOf(file) {
  const page = /^(?:capture|demo)\/page(?=\/)/.exec(file);
  if (page !== null) return page[0];
  return file.includes('/') ? file.slice(0, file.indexOf('/')) : basename(file).replace(/\.\w+$/, '');
}

function checkImport(file, target, typeOnly) {
  const from = roomOf(file);
  const to = roomOf(target);
  if (from === to || EVERYWHERE.includes(from)) return undefined;
  if (LEAVES.includes(from)) {
    return LEAVES.includes(to) ? undefined : `a leaf module imports from ${to}`;
  }
  const rules = ROOMS[from];
  if (rules === undefined) return `scripts/check-rooms.mjs has no rule for ${from}`;
  if (rules.page === true) return `${from} imports from ${to}, but shares nothing with the rest`;
  if (LEAVES.includes(to)) return undefined;
  if (rules.values?.includes(to)) return undefined;
  if (rules.types?.includes(to)) {
    return typeOnly ? undefined : `${from} imports more than types from ${to}`;
  }
  return `${from} imports from ${to}`;
}

/** One sentence for each group of files that import each other in a circle. */
function cyclesOf(graph) {
  const faults = [];
  const state = new Map();
  const path = [];
  const walk = (file) => {
    state.set(file, 'open');
    path.push(file);
    for (const target of graph.get(file) ?? []) {
      if (state.get(target) === 'open') {
        faults.push(`import cycle: ${[...path.slice(path.indexOf(target)), target].join(' -> ')}`);
      } else if (!state.has(target)) walk(target);
    }
    path.pop();
    state.set(file, 'done');
  };
  for (const file of graph.keys()) if (!state.has(file)) walk(file);
  return faults;
}

if (process.argv[1] === import.meta.filename) {
  const root = join(import.meta.dirname, '..');
  const faults = checkRooms(root);
  for (const fault of faults) console.error(fault);
  if (faults.length > 0) {
    console.error(`${faults.length} out of order in ${relative(process.cwd(), join(root, 'src')) || 'src'}`);
    process.exitCode = 1;
  }
}
