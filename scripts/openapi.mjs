// Generates docs/openapi.json, an OpenAPI 3.1 document, from src/protocol: routes, bodies, rights, scopes and error codes.
//
//   --write   updates the document; without it, one that is out of date is an error
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { buildSync } from 'esbuild';
import ts from 'typescript';

import { JsonSchemas } from './json-schemas.mjs';

const FILE = join('docs', 'openapi.json');
const BODIES = 'src/protocol/route-bodies.ts';

/** Errors of every route whose caller is looked at. */
const ACCESS_ERRORS = ['unauthorized', 'forbidden', 'at_capacity'];
/** Errors of every route of a session where there are several servers. */
const CLUSTER_ERRORS = [
  'node_lost',
  'unavailable',
  { code: 'unavailable', status: 502 },
  { code: 'unavailable', status: 504 },
];
/** Errors of every route that takes a body; too slow is 408, and too many at a time 503. */
const BODY_ERRORS = [
  'bad_request',
  'too_large',
  'unsupported_media_type',
  { code: 'bad_request', status: 408 },
  { code: 'at_capacity', status: 503 },
];

const RIGHTS = {
  none: 'Anybody may use it, and `validateRequest` is not asked.',
  watch: 'Needs any role.',
  control: 'Needs the role `controller`.',
  create: 'Needs the role `owner`.',
  own: 'Needs the role `owner`, of the session in the path, or `operator`.',
  operate: 'Needs the role `operator`.',
};

/**
 * @param root - folder that holds `src`.
 * @returns {Promise<{ document: object, faults: string[] }>} the document, and one sentence for each thing that is missing.
 */
export async function openApiDocument(root) {
  const protocol = await protocolOf(root);
  const { ROUTES } = protocol;
  const bodies = new RouteBodies(root);
  const faults = [];
  const paths = {};
  for (const [name, route] of Object.entries(ROUTES)) {
    const body = bodies.of(name);
    const missing = routeFaults(name, route, body, protocol);
    faults.push(...missing);
    if (missing.length > 0) continue;
    const path = route.path.replace(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(name, route, body, protocol) };
  }
  for (const name of bodies.names.filter((known) => !(known in ROUTES))) {
    faults.push(`RouteBodies in ${BODIES} has ${name}, which is no route of src/protocol/routes.ts`);
  }
  if (faults.length > 0) return { document: {}, faults };
  const { version, license } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return {
    faults,
    document: {
      openapi: '3.1.0',
      info: {
        title: 'stream-kit-server',
        version,
        license: { name: license, identifier: license },
        description:
          'Sessions render a page, and many viewers watch it. Paths are relative to where the router is mounted. ' +
          'HEAD is answered where GET is, OPTIONS at every path, and another method with 405 `method_not_allowed`. ' +
          'Each operation says which right its caller needs (`x-right`); `validateRequest` of the application decides what ' +
          'a caller is, by whatever credentials it likes, and may refuse with any status from 400 on, and the code `forbidden`.',
      },
      servers: [{ url: '/' }],
      paths,
      components: {
        responses: errorComponents(paths),
        schemas: { ...errorSchemas(protocol), ...bodies.components() },
        securitySchemes: {
          streamToken: {
            type: 'apiKey',
            in: 'query',
            name: 'token',
            description: 'A stream token of the application, for clients that cannot set headers.',
          },
          streamTokenBearer: { type: 'http', scheme: 'bearer', description: 'The same as a header.' },
        },
      },
    },
  };
}

/** @returns one sentence for each thing that the document needs of a route and that is not there. */
function routeFaults(name, route, body, { PATH_PARAMETERS }) {
  const missing = ['summary', 'errors', 'right'].filter((key) => route[key] === undefined);
  const unknown = pathParameters(route.path).filter((segment) => !(segment in PATH_PARAMETERS));
  const file = 'src/protocol/route-definition.ts';
  return [
    ...missing.map((key) => `The route ${name} has no ${key}: add it to ROUTES in src/protocol/routes.ts`),
    ...(body === undefined
      ? [`The route ${name} has no bodies: add what it takes and answers to RouteBodies in ${BODIES}`]
      : []),
    ...unknown.map(
      (segment) =>
        `The path of the route ${name} has the unknown segment :${segment}: add it to PATH_PARAMETERS in ${file}`,
    ),
  ];
}

/** What `src/protocol` exports. */
async function protocolOf(root) {
  const contents = ['routes', 'route-definition', 'error-codes']
    .map((name) => `export * from './${name}.js';`)
    .join('\n');
  const { outputFiles } = buildSync({
    stdin: { contents, resolveDir: join(root, 'src', 'protocol'), loader: 'ts' },
    bundle: true,
    write: false,
    format: 'esm',
  });
  return import(`data:text/javascript,${encodeURIComponent(outputFiles[0].text)}`);
}

/** The type `RouteBodies`, read by the compiler. */
class RouteBodies {
  #schemas;
  #types;

  constructor(root) {
    const config = ts.readConfigFile(join(root, 'tsconfig.base.json'), ts.sys.readFile).config;
    const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root);
    const file = join(root, BODIES);
    const program = ts.createProgram([file], { ...options, noEmit: true, types: [] });
    const checker = program.getTypeChecker();
    const exports = checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(file)));
    const type = checker.getDeclaredTypeOfSymbol(exports.find(({ name }) => name === 'RouteBodies'));
    this.#schemas = new JsonSchemas(program, join(root, 'src'));
    this.#types = new Map(this.#schemas.properties(type));
  }

  get names() {
    return [...this.#types.keys()];
  }

  /** @returns what a route takes and answers; undefined where that is not known. */
  of(name) {
    const type = this.#types.get(name);
    if (type === undefined) return undefined;
    const parts = new Map(this.#schemas.properties(type));
    const request = parts.get('request');
    const answers = this.#schemas.properties(parts.get('answers'));
    return {
      request: request && this.#content(request),
      isRequired: request !== undefined && !isUndefinedToo(request),
      answers: answers.map(([status, answer]) => [status, this.#content(answer)]),
    };
  }

  /** Last: what was referred to. */
  components() {
    const sorted = Object.entries(this.#schemas.components).sort(([one], [other]) => (one < other ? -1 : 1));
    return Object.fromEntries(sorted);
  }

  /** A body by its media types; undefined where there is none. */
  #content(type) {
    if (type.flags & ts.TypeFlags.Undefined) return undefined;
    if (type.aliasSymbol?.name !== 'Content' && type.symbol?.name !== 'Content') {
      return { 'application/json': { schema: this.#schemas.of(type) } };
    }
    return Object.fromEntries(
      this.#schemas.literals(contentTypeOf(type)).map((mediaType) => [mediaType, {}]),
    );
  }
}

/** `T` of `Content<T>`. */
function contentTypeOf(type) {
  return (type.aliasTypeArguments ?? type.typeArguments ?? type.resolvedTypeArguments)[0];
}

function isUndefinedToo(type) {
  return type.isUnion() && type.types.some(({ flags }) => flags & ts.TypeFlags.Undefined);
}

function pathParameters(path) {
  return [...path.matchAll(/:(\w+)/g)].map(([, name]) => name);
}

function operation(name, route, { request, isRequired, answers }, protocol) {
  const { summary, right, scope, query = {}, requestHeaders = {}, option, configurable } = route;
  const described = [
    RIGHTS[right],
    ...(option === undefined ? [] : [`Served with the option \`${option}\`.`]),
    ...(configurable === true ? [`The path is the default of \`${option}.path\`.`] : []),
  ];
  const parameters = [
    ...pathParameters(route.path).map((segment) => ({
      ...{ name: segment, in: 'path', required: true, description: protocol.PATH_PARAMETERS[segment] },
      schema: { type: 'string' },
    })),
    ...Object.entries(query).map(([key, { about, ...rest }]) => ({
      ...{ name: key, in: 'query', description: about, schema: querySchema(rest) },
    })),
    // OpenAPI has it that a parameter of these names is ignored: they are part of the request's and answers' bodies.
    ...Object.entries(requestHeaders)
      .filter(([key]) => !['accept', 'content-type', 'authorization'].includes(key.toLowerCase()))
      .map(([key, description]) => ({ name: key, in: 'header', description, schema: { type: 'string' } })),
  ];
  const tokens = [{ streamToken: [scope] }, { streamTokenBearer: [scope] }];
  return {
    operationId: name,
    summary: summary.replace(/\.$/, ''),
    description: described.join(' '),
    'x-right': right,
    ...(option === undefined ? {} : { 'x-option': option }),
    ...(scope === null ? {} : { security: [{}, ...tokens] }),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(request === undefined ? {} : { requestBody: { required: isRequired, content: request } }),
    responses: {
      ...Object.fromEntries(answers.map(([status, content]) => [status, goodAnswer(route, status, content)])),
      ...errorAnswers(route, request !== undefined, answers, protocol),
    },
  };
}

function querySchema({ type, least, most, among }) {
  if (type === 'integer') return { type, minimum: least, maximum: most };
  return type === 'choice' ? { enum: among } : { type: 'string' };
}

function goodAnswer({ answerHeaders = {} }, status, content) {
  const headers = Object.entries(answerHeaders).map(([name, description]) => [
    name,
    { description, schema: { type: 'string' } },
  ]);
  return {
    description:
      status === '101' ? 'The WebSocket is open.' : content === undefined ? 'Done.' : 'The answer.',
    ...(headers.length === 0 ? {} : { headers: Object.fromEntries(headers) }),
    ...(content === undefined ? {} : { content }),
  };
}

/** One answer per status; each names its codes. */
function errorAnswers(route, hasBody, answers, { ERROR_STATUS }) {
  const isOpen = route.right === 'none';
  const errors = [
    ...route.errors,
    ...(isOpen ? [] : ACCESS_ERRORS),
    ...(isOpen || !route.path.startsWith('/:streamId') ? [] : CLUSTER_ERRORS),
    ...(hasBody || route.query !== undefined ? ['bad_request'] : []),
    ...(hasBody ? BODY_ERRORS : []),
    ...(route.option === undefined ? [] : ['not_found']),
    'internal',
  ];
  const byStatus = new Map();
  for (const error of errors) {
    const { code, status } = typeof error === 'string' ? { code: error, status: ERROR_STATUS[error] } : error;
    byStatus.set(status, new Set([...(byStatus.get(status) ?? []), code]));
  }
  const good = answers.map(([status]) => Number(status));
  const listed = [...byStatus]
    .filter(([status]) => !good.includes(status))
    .sort(([one], [other]) => one - other)
    .map(([status, codes]) => [status, component([...codes].sort().join('.'))]);
  return Object.fromEntries([...listed, ...(isOpen ? [] : [['default', component(REFUSED)]])]);
}

/** What `validateRequest` refuses with a status of its own. */
const REFUSED = 'refused';

/** An error answer of these codes, which the components have under their names. */
function component(name) {
  return { $ref: `#/components/responses/${name}` };
}

/** What {@link component} refers to, of all paths. */
function errorComponents(paths) {
  const refused = {
    ...errorAnswer(['forbidden']),
    description: '`forbidden`, with a status that `validateRequest` has chosen',
  };
  const names = Object.values(paths)
    .flatMap((path) => Object.values(path))
    .flatMap(({ responses }) => Object.values(responses))
    .flatMap(({ $ref }) => ($ref === undefined ? [] : [$ref.split('/').at(-1)]));
  const entries = [...new Set(names)].sort().map((name) => [name, errorAnswer(name.split('.'))]);
  return { ...Object.fromEntries(entries), [REFUSED]: refused };
}

function errorAnswer(codes) {
  const schema = {
    $ref: '#/components/schemas/ErrorAnswer',
    properties: { error: { properties: { code: { enum: codes } } } },
  };
  return {
    description: codes.map((code) => `\`${code}\``).join(', '),
    content: { 'application/json': { schema } },
  };
}

function errorSchemas({ ERROR_STATUS }) {
  const statuses = Object.entries(ERROR_STATUS).map(([code, status]) => `\`${code}\` ${status}`);
  return {
    ErrorCode: { type: 'string', enum: Object.keys(ERROR_STATUS) },
    ErrorAnswer: {
      type: 'object',
      description: `Every error is answered like this. The status of each code, unless the operation says otherwise: ${statuses.join(', ')}.`,
      properties: {
        error: {
          type: 'object',
          properties: {
            code: { $ref: '#/components/schemas/ErrorCode' },
            message: { type: 'string', description: 'One sentence.' },
          },
          required: ['code', 'message'],
        },
      },
      required: ['error'],
    },
  };
}

/** @returns one sentence for each thing that is missing or out of date. */
export async function openApiFaults(root) {
  const { document, faults } = await openApiDocument(root);
  if (faults.length > 0) return faults;
  const isCurrent = readFileSync(join(root, FILE), 'utf8') === textOf(document);
  return isCurrent ? [] : [`${FILE} is out of date: run \`npm run docs\``];
}

function textOf(document) {
  return `${JSON.stringify(document, undefined, 2)}\n`;
}

if (process.argv[1] === import.meta.filename) {
  const root = join(import.meta.dirname, '..');
  if (process.argv.includes('--write')) {
    const { document, faults } = await openApiDocument(root);
    if (faults.length === 0) writeFileSync(join(root, FILE), textOf(document));
  }
  const faults = await openApiFaults(root);
  for (const fault of faults) console.error(fault);
  if (faults.length > 0) process.exitCode = 1;
}
