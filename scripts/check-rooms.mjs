// Fails where the house is out of order: an import into a room that may not be entered, an import cycle, a file
// over 500 lines that does not say why, a file name that names no noun, an index that exports by wildcard, a room that
// docs/architecture.md does not explain.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative, sep } from 'node:path';

import ts from 'typescript';

/**
 * The rooms of the server from the bottom up: each may import the rooms before it. A folder of a room that stands here
 * itself is a room of its own.
 */
const LAYERS = [
  'protocol',
  'base',
  'options',
  'profiles',
  'egress',
  'render/capture',
  'render/packetize',
  'render/encode',
  'input',
  'fanout',
  'render',
  'peer',
  'recording',
  'publish',
  'overflow',
  'terminal',
  'session',
  'http',
  'observe',
  'cluster',
  'demo',
];

/** Rooms that know those below them by their interfaces alone; `router.ts` brings in the implementations. */
const TYPES_ONLY = {
  input: ['render'],
  session: ['render', 'fanout', 'input', 'peer', 'publish', 'overflow', 'recording', 'terminal'],
  observe: ['render', 'fanout', 'session', 'http'],
};

/** Types that a room may know of one above it: what it is handed. */
const TYPES_FROM_ABOVE = { 'render/packetize': ['render/encode'] };

/** Browsers load these: they share nothing with the server but the protocol. */
const PAGES = ['client', 'react', 'render/capture/page', 'demo/page', 'admin/page'];

/** The composition root and the public surface may enter every room. */
const EVERYWHERE = ['index', 'router'];

const MAX_LINES = 500;
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

/**
 * Rooms that are folders of `src`, that have a place in the order, and that docs/architecture.md explains are the same.
 *
 * @param root - folder that holds `src` and `docs`.
 * @returns one sentence for each that is not.
 */
export function checkExplained(root) {
  const explained = readFileSync(join(root, 'docs', 'architecture.md'), 'utf8');
  const entries = readdirSync(join(root, 'src'), { withFileTypes: true });
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  return [
    ...LAYERS.filter((layer) => !existsSync(join(root, 'src', layer))).map(
      (layer) => `src/${layer}: has a place in the order of rooms, and is none`,
    ),
    ...folders
      .filter((folder) => !explained.includes(`\`${folder}/`))
      .map((folder) => `src/${folder}: is not explained in docs/architecture.md`),
  ];
}

function checkFile(file, text) {
  const faults = [];
  const lines = text.split('\n');
  const count = lines.at(-1) === '' ? lines.length - 1 : lines.length;
  const excused = lines.slice(0, 5).some((line) => /^\/\/ Over 500 lines: \S/.test(line));
  if (count > MAX_LINES && !excused) {
    faults.push(`src/${file}: ${count} lines without a reason ("// Over 500 lines: ...")`);
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

/** The room of a file: the longest folder of it that is one; its own name at the top of src. */
function roomOf(file) {
  const rooms = [...LAYERS, ...PAGES].filter((room) => file.startsWith(`${room}/`));
  const [longest] = rooms.sort((one, other) => other.length - one.length);
  return longest ?? (file.includes('/') ? dirname(file) : basename(file).replace(/\.\w+$/, ''));
}

function checkImport(file, target, typeOnly) {
  const from = roomOf(file);
  const to = roomOf(target);
  if (from === to || EVERYWHERE.includes(from)) return undefined;
  if (PAGES.includes(from)) {
    return to === 'protocol' ? undefined : `${from} imports from ${to}, but shares only the protocol`;
  }
  if (!LAYERS.includes(from)) return `scripts/check-rooms.mjs has no place for ${from}`;
  // The stand-alone server mounts the router as any application does.
  if (from === 'demo' && EVERYWHERE.includes(to)) return undefined;
  if (typeOnly && TYPES_FROM_ABOVE[from]?.includes(to)) return undefined;
  if (!LAYERS.includes(to) || LAYERS.indexOf(to) > LAYERS.indexOf(from)) return `${from} imports from ${to}`;
  const [outer] = to.split('/');
  if (!typeOnly && TYPES_ONLY[from]?.includes(outer)) return `${from} imports more than types from ${to}`;
  return undefined;
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
  const faults = [...checkRooms(root), ...checkExplained(root)];
  for (const fault of faults) console.error(fault);
  if (faults.length > 0) {
    console.error(`${faults.length} out of order in ${relative(process.cwd(), join(root, 'src')) || 'src'}`);
    process.exitCode = 1;
  }
}
