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
  const { interfaces, tables } = optionSources(root);
  const options = [];
  const faults = [];
  const add = (name, prefix) => {
    for (const member of membersOf(interfaces.get(name), interfaces, tables)) {
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

/**
 * What `src/options` has: interfaces whose names end in `Options`, which are what users write, and tables of option definitions.
 * A member is `{ name, node, type, required }`; `node` has the docstring.
 */
function optionSources(root) {
  const room = join(root, 'src', 'options');
  const interfaces = new Map();
  const tables = new Map();
  for (const file of readdirSync(room).filter((name) => name.endsWith('.ts'))) {
    for (const statement of parse(join(room, file)).statements) {
      if (ts.isVariableStatement(statement)) addTables(statement, tables);
      if (!ts.isInterfaceDeclaration(statement) || !statement.name.text.endsWith('Options')) continue;
      if (/^Resolved|Error/.test(statement.name.text)) continue;
      interfaces.set(statement.name.text, {
        parents: (statement.heritageClauses ?? []).flatMap(({ types }) => types),
        members: statement.members.map((node) => ({
          ...{ name: node.name.getText(), node, required: node.questionToken === undefined },
          type: ts.isMethodSignature(node) ? node : node.type,
        })),
      });
    }
  }
  return { interfaces, tables };
}

/** Objects all of whose members are `option<Type>(...)` or `required<Type>(...)`. */
function addTables(statement, tables) {
  for (const { name, initializer } of statement.declarationList.declarations) {
    if (initializer === undefined || !ts.isObjectLiteralExpression(initializer)) continue;
    const definitions = initializer.properties.filter(
      (node) =>
        ts.isPropertyAssignment(node) &&
        ts.isCallExpression(node.initializer) &&
        /^(?:option|required)$/.test(node.initializer.expression.getText()),
    );
    if (definitions.length === 0 || definitions.length < initializer.properties.length) continue;
    const members = definitions.map((node) => ({
      ...{ name: node.name.getText(), node, type: node.initializer.typeArguments?.[0] },
      required: node.initializer.expression.getText() === 'required',
    }));
    tables.set(name.getText(), members);
  }
}

/** Those of its parents first. One that it declares again stays in its place. */
function membersOf(declared, interfaces, tables) {
  const inherited = declared.parents.flatMap((parent) => {
    const [, table] = /^OptionsOf<\s*typeof (\w+)\s*>$/.exec(parent.getText()) ?? [];
    if (table !== undefined) return tables.get(table) ?? [];
    const above = interfaces.get(parent.expression.getText());
    return above === undefined ? [] : membersOf(above, interfaces, tables);
  });
  const own = new Map(declared.members.map((member) => [member.name, member]));
  const all = inherited.map((member) => own.get(member.name) ?? member);
  return [...all, ...declared.members.filter((member) => !all.includes(member))];
}

/** Names of the types that a member's type refers to. */
function namesIn({ type }) {
  const names = [];
  const visit = (node) => {
    if (ts.isTypeReferenceNode(node)) names.push(node.typeName.getText());
    ts.forEachChild(node, visit);
  };
  if (type !== undefined && !isFunction(type)) visit(type);
  return names;
}

function isFunction(type) {
  return ts.isMethodSignature(type) || ts.isFunctionTypeNode(type);
}

function optionOf(member, prefix) {
  const name = `${prefix}${member.name}`;
  const comment = ts.getJSDocCommentsAndTags(member.node).find(ts.isJSDoc);
  const written = ts.getTextOfJSDocComment(comment?.comment) ?? '';
  const text = written
    .replace(/\{@link ([^}]+)\}/g, '`$1`')
    .replace(/\s+/g, ' ')
    .trim();
  const stated = /(?:^|[.;] )Default:? (.+?)\.$/.exec(text);
  const described = stated === null ? text : text.slice(0, stated.index + 1);
  const type = typeText(member);
  const bounds = /\bnumber\b/.test(type) && !isFunction(member.type) ? BOUNDS.exec(described) : null;
  return {
    name,
    type,
    required: member.required,
    unit: bounds?.[1],
    bounds: bounds?.[2],
    fallback: stated?.[1],
    meaning: bounds === null ? described : described.replace(bounds[0], ''),
  };
}

function typeText({ name, type }) {
  const flat = (node) =>
    node
      .getText()
      .replace(/\breadonly /g, '')
      .replace(/\s+/g, ' ');
  if (type === undefined) throw new Error(`The definition of the option ${name} does not name its type`);
  if (!isFunction(type)) return flat(type);
  const parameters = type.parameters.map(
    ({ name: parameter, questionToken }) => `${parameter.getText()}${questionToken === undefined ? '' : '?'}`,
  );
  return `(${parameters.join(', ')}) => ${flat(type.type)}`;
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
