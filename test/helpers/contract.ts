import { readFileSync } from 'node:fs';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';

import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';

import { ROUTES } from '../../src/protocol/routes.js';

type Schema = Record<string, unknown>;
interface Answer {
  readonly $ref?: string;
  readonly content?: Readonly<Record<string, { readonly schema?: Schema }>>;
}
interface Operation {
  readonly operationId: keyof typeof ROUTES;
  readonly responses: Readonly<Record<string, Answer>>;
  readonly requestBody?: { readonly required: boolean; readonly content: NonNullable<Answer['content']> };
}
interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, Schema>>;
    readonly responses: Readonly<Record<string, Answer>>;
  };
}

const DOCUMENT = new URL('../../docs/openapi.json', import.meta.url);

/** Compiling the schemas takes longer than most of the tests that use them: it is done once, for all contracts. */
interface Compiled {
  readonly document: OpenApi;
  readonly strict: Ajv2020;
  readonly lenient: Ajv2020;
  readonly validators: Map<string, ValidateFunction>;
}

let compiled: Compiled | undefined;

function compile(): Compiled {
  if (compiled !== undefined) return compiled;
  const document = JSON.parse(readFileSync(DOCUMENT, 'utf8')) as OpenApi;
  const { schemas } = document.components;
  const strict = ajvOf(closed(schemas) as OpenApi['components']['schemas']);
  compiled = { document, strict, lenient: ajvOf(schemas), validators: new Map() };
  return compiled;
}

/** Bodies beyond it are not looked at. */
const MAX_BODY_BYTES = 1024 * 1024;

/**
 * Compares what a server takes and answers with docs/openapi.json: a request that it accepts must have a body of the
 * documented schema; an answer must have a documented status, media type, schema (with nothing besides) and error code.
 */
export class Contract {
  readonly faults: string[] = [];
  readonly #compiled = compile();

  /**
   * Watches every request of a server from now on.
   *
   * @param mount - path at which the router is mounted.
   * @param configured - paths that options have set, and those that the document has instead.
   */
  watch(server: Server, mount = '', configured: Readonly<Record<string, string>> = {}): this {
    server.prependListener('request', (request: IncomingMessage, response: ServerResponse) => {
      const path = (request.url ?? '').split('?')[0] ?? '';
      if (path !== mount && !path.startsWith(`${mount}/`)) return;
      const asked = collect(request, 'push');
      const sent = collect(response, 'write', 'end');
      response.once('finish', () => {
        this.check({
          method: request.method ?? '',
          path: configured[path.slice(mount.length)] ?? (path.slice(mount.length) || '/'),
          requestType: request.headers['content-type'],
          requestBody: asked(),
          status: response.statusCode,
          answerType: response.getHeader('content-type') as string | undefined,
          answerBody: sent(),
        });
      });
    });
    return this;
  }

  /** Notes what one exchange has that the document has not. */
  check(exchange: Exchange): void {
    const { method, path, status } = exchange;
    const found = this.#find(path);
    if (found === undefined || method === 'OPTIONS') return;
    const operation = found[method === 'HEAD' ? 'get' : method.toLowerCase()];
    const where = `${method} ${path} (${operation?.operationId ?? 'no operation'}), answered with ${status}`;
    const fault = (sentence: string): void => void this.faults.push(`${where}: ${sentence}`);
    if (operation === undefined) {
      if (status !== 405) fault('the document has no such method here');
      return;
    }
    // Its path is nobody's, or another session's, without the option.
    if ('configurable' in ROUTES[operation.operationId] && status === 404) return;
    if ('option' in ROUTES[operation.operationId] && status === 405) return;
    const isRefused = status >= 400 && exchange.answerBody?.includes('"code":"forbidden"') === true;
    const answer = (isRefused ? operation.responses.default : undefined) ?? operation.responses[status];
    if (answer === undefined) {
      fault('the document has no such status: add it to ROUTES or RouteBodies');
      return;
    }
    if (method !== 'HEAD') {
      const { content } = this.#resolve(answer);
      this.#checkBody(
        `answer ${operation.operationId} ${status}`,
        this.#compiled.strict,
        content,
        exchange,
        fault,
      );
    }
    if (status >= 400 || operation.requestBody === undefined) return;
    const { required, content } = operation.requestBody;
    const body = { answerType: exchange.requestType, answerBody: exchange.requestBody };
    if (!required && exchange.requestBody?.length === 0) return;
    this.#checkBody(`request ${operation.operationId}`, this.#compiled.lenient, content, body, fault);
  }

  /** Throws for what was noted, and forgets it. */
  assert(): void {
    const faults = [...new Set(this.faults.splice(0))];
    if (faults.length > 0) {
      throw new Error(`The server and docs/openapi.json differ:\n${faults.slice(0, 20).join('\n')}`);
    }
  }

  #checkBody(
    key: string,
    ajv: Ajv2020,
    content: Answer['content'],
    { answerType, answerBody }: Pick<Exchange, 'answerType' | 'answerBody'>,
    fault: (sentence: string) => void,
  ): void {
    if (content === undefined) {
      if ((answerBody?.length ?? 0) > 0) fault('the document has no body here');
      return;
    }
    const type = (answerType ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
    const known =
      content[type] ?? (type.endsWith('+json') ? content['application/json'] : undefined) ?? content['*/*'];
    if (known === undefined) fault(`the document has no body of type ${type || 'none'} here`);
    if (known?.schema === undefined || answerBody === undefined) return;
    let validate = this.#compiled.validators.get(key);
    if (validate === undefined) {
      validate = ajv.compile(
        rewritten(ajv === this.#compiled.strict ? closed(known.schema) : known.schema) as Schema,
      );
      this.#compiled.validators.set(key, validate);
    }
    if (validate(JSON.parse(answerBody.toString()))) return;
    const errors = validate.errors ?? [];
    const sentences = errors.map(
      ({ instancePath, message, params }) =>
        `${instancePath || 'the body'} ${message} ${JSON.stringify(params)}`,
    );
    fault(sentences.slice(0, 4).join('; '));
  }

  #resolve(answer: Answer): Answer {
    const name = answer.$ref?.split('/').at(-1);
    return name === undefined ? answer : (this.#compiled.document.components.responses[name] ?? {});
  }

  /** Paths without parameters come first, as in the router. */
  #find(path: string): Readonly<Record<string, Operation>> | undefined {
    const plain = path.replace(/(?<=[^/])\/$/, '');
    const { paths } = this.#compiled.document;
    if (paths[plain] !== undefined) return paths[plain];
    const segments = plain.split('/');
    const fits = (template: string): boolean => {
      const parts = template.split('/');
      return (
        parts.length === segments.length &&
        parts.every((part, at) => (part.startsWith('{') ? segments[at] !== '' : part === segments[at]))
      );
    };
    const template = Object.keys(paths).find(fits);
    return template === undefined ? undefined : paths[template];
  }
}

/** One request and its answer; bodies are undefined where they are too long to look at. */
export interface Exchange {
  readonly method: string;
  /** Below the mount point, without the query. */
  readonly path: string;
  readonly requestType: string | undefined;
  readonly requestBody: Buffer | undefined;
  readonly status: number;
  readonly answerType: string | undefined;
  readonly answerBody: Buffer | undefined;
}

function ajvOf(schemas: Readonly<Record<string, Schema>>): Ajv2020 {
  const ajv = new Ajv2020({ strict: false, allErrors: false });
  for (const [name, schema] of Object.entries(schemas)) ajv.addSchema(rewritten(schema) as Schema, name);
  return ajv;
}

/** With references that are the names of components. */
function rewritten(schema: unknown): unknown {
  return mapped(schema, (object) =>
    typeof object.$ref === 'string' ? { ...object, $ref: object.$ref.split('/').at(-1) } : object,
  );
}

/** With objects that have nothing but their properties. */
function closed(schema: unknown): unknown {
  return mapped(schema, (object) =>
    object.type === 'object' && object.properties !== undefined && object.additionalProperties === undefined
      ? { ...object, additionalProperties: false }
      : object,
  );
}

function mapped(value: unknown, change: (object: Schema) => Schema): unknown {
  if (Array.isArray(value)) return value.map((one) => mapped(one, change));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, one]) => [key, mapped(one, change)]);
  return change(Object.fromEntries(entries) as Schema);
}

/** Keeps what goes through methods of a stream. @returns what reads it; undefined where it is too long. */
function collect(stream: object, ...methods: readonly string[]): () => Buffer | undefined {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const target = stream as Record<string, (...args: unknown[]) => unknown>;
  for (const method of methods) {
    const original = target[method]?.bind(stream);
    target[method] = (...args) => {
      const [chunk] = args;
      if (typeof chunk === 'string' || chunk instanceof Uint8Array) {
        bytes += chunk.length;
        if (bytes <= MAX_BODY_BYTES) chunks.push(Buffer.from(chunk as string));
      }
      return original?.(...args);
    };
  }
  return () => (bytes > MAX_BODY_BYTES ? undefined : Buffer.concat(chunks));
}
