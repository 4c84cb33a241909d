// What the source says of every option and of every error: read from its syntax, so that nothing has to be built.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import ts from 'typescript';

const FIRST_INTERFACE = 'StreamKitOptions';
/** Numbers carry their unit, if they have one, and their bounds. */
const BOUNDS = /, (?:(ms|seconds|bits\/s|bytes|pixels(?:, even)?), )?([\d][^,.;]*–[^,.;]+)/;

/**
 * @typedef {object} DocumentedOption
 * @property {string} name - `recording.maxBytes` for a member of another option.
 * @property {string} type - as it is written, without `readonly` and without the types of a function's parameters.
 * @property {boolean} required
 * @property {string | undefined} unit - of a number.
 * @property {string | undefined} bounds - of a number: `1–1000`.
 * @property {string | undefined} fallback - what its docstring says after `Default`.
 * @property {string} meaning - the rest of its docstring.
 */

/**
 * @param root - folder that holds `src`.
 * @returns {{ options: DocumentedOption[], faults: string[] }} in the order of the source; one sentence a fault.
 */
export function documentedOptions(root) {
  const interfaces = optionInterfaces(root);
  const options = [];
  const faults = [];
  const add = (name, prefix) => {
    for (const parent of interfaces.get(name)?.parents ?? []) add(parent, prefix);
    for (const member of interfaces.get(name)?.members ?? []) {
      const option = optionOf(member, prefix);
      options.push(option);
      faults.push(...faultsOf(option));
      for (const nested of namesIn(member)) if (interfaces.has(nested)) add(nested, `${option.name}.`);
    }
  };
  if (!interfaces.has(FIRST_INTERFACE)) throw new Error(`src has no interface ${FIRST_INTERFACE}`);
  add(FIRST_INTERFACE, '');
  return { options, faults };
}

/** @returns {Map<string, number>} the HTTP status of each code of `ERROR_STATUS`. */
export function documentedErrors(root) {
  const found = new Map();
  const visit = (node) => {
    if (ts.isVariableDeclaration(node) && node.name.getText() === 'ERROR_STATUS') {
      let table = node.initializer;
      while (ts.isAsExpression(table) || ts.isSatisfiesExpression(table)) table = table.expression;
      for (const { name, initializer } of table.properties) {
        found.set(name.getText(), Number(initializer.getText()));
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(parse(join(root, 'src', 'protocol', 'error-codes.ts')));
  return found;
}

function parse(file) {
  return ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true);
}

/** Interfaces in `src/options` whose names end in `Options`: those are what users write. */
function optionInterfaces(root) {
  const room = join(root, 'src', 'options');
  const found = new Map();
  for (const file of readdirSync(room).filter((name) => name.endsWith('.ts'))) {
    for (const statement of parse(join(room, file)).statements) {
      if (!ts.isInterfaceDeclaration(statement) || !statement.name.text.endsWith('Options')) continue;
      if (/^Resolved|Error/.test(statement.name.text)) continue;
      const parents = (statement.heritageClauses ?? []).flatMap(({ types }) => types);
      found.set(statement.name.text, {
        members: statement.members,
        parents: parents.map(({ expression }) => expression.getText()),
      });
    }
  }
  return found;
}

/** Names of the types that a member's type refers to. */
function namesIn(member) {
  const names = [];
  const visit = (node) => {
    if (ts.isTypeReferenceNode(node)) names.push(node.typeName.getText());
    ts.forEachChild(node, visit);
  };
  if (member.type !== undefined && !isFunction(member)) visit(member.type);
  return names;
}

function isFunction(member) {
  return ts.isMethodSignature(member) || ts.isFunctionTypeNode(member.type);
}

function optionOf(member, prefix) {
  const name = `${prefix}${member.name.getText()}`;
  const comment = ts.getJSDocCommentsAndTags(member).find(ts.isJSDoc);
  const written = ts.getTextOfJSDocComment(comment?.comment) ?? '';
  const text = written
    .replace(/\{@link ([^}]+)\}/g, '`$1`')
    .replace(/\s+/g, ' ')
    .trim();
  const stated = /(?:^|[.;] )Default:? (.+?)\.$/.exec(text);
  const described = stated === null ? text : text.slice(0, stated.index + 1);
  const type = typeOf(member);
  const bounds = /\bnumber\b/.test(type) && !isFunction(member) ? BOUNDS.exec(described) : null;
  return {
    name,
    type,
    required: member.questionToken === undefined,
    unit: bounds?.[1],
    bounds: bounds?.[2],
    fallback: stated?.[1],
    meaning: bounds === null ? described : described.replace(bounds[0], ''),
  };
}

function typeOf(member) {
  const flat = (node) =>
    node
      .getText()
      .replace(/\breadonly /g, '')
      .replace(/\s+/g, ' ');
  if (!isFunction(member)) return flat(member.type);
  const signature = ts.isMethodSignature(member) ? member : member.type;
  const parameters = signature.parameters.map(
    ({ name, questionToken }) => `${name.getText()}${questionToken === undefined ? '' : '?'}`,
  );
  return `(${parameters.join(', ')}) => ${flat(signature.type)}`;
}

function faultsOf({ name, type, required, bounds, fallback, meaning }) {
  const faults = [];
  if (meaning === '') faults.push(`The option ${name} has no docstring`);
  if (!required && fallback === undefined) {
    faults.push(`The docstring of the option ${name} does not end in "Default …."`);
  }
  if (type === 'number' && bounds === undefined) {
    faults.push(`The docstring of the option ${name} does not name its bounds, such as ", ms, 10–60000"`);
  }
  return faults;
}
