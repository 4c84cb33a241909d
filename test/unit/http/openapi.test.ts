import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Validator } from '@seriousme/openapi-schema-validator';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { ERROR_STATUS } from '../../../src/protocol/error-codes.js';
import { ROUTES, type RouteName } from '../../../src/protocol/routes.js';
import { Contract, type Exchange } from '../../helpers/contract.js';
import { ask, serveRouter } from '../../helpers/router-server.js';

const root = join(import.meta.dirname, '..', '..', '..');
const text = readFileSync(join(root, 'docs', 'openapi.json'), 'utf8');
const document = JSON.parse(text);
const { openApiDocument, openApiFaults } = await import(join(root, 'scripts', 'openapi.mjs'));

describe('docs/openapi.json', () => {
  it('is a valid OpenAPI 3.1 document', async () => {
    const validator = new Validator();
    expect(await validator.validate(JSON.parse(text))).toEqual({ valid: true });
    expect(validator.version).toBe('3.1');
    // Every reference has something that it refers to.
    const names = [...text.matchAll(/"#\/components\/(\w+)\/([\w.]+)"/g)];
    expect(names.filter(([, kind = '', name = '']) => !(name in document.components[kind]))).toEqual([]);
  });

  it('is what the source says', async () => {
    expect(await openApiFaults(root)).toEqual([]);
  });

  it.each(Object.entries(ROUTES))('has the route %s with its right and scope', (name, route) => {
    const path = route.path.replace(/:(\w+)/g, '{$1}');
    const operation = document.paths[path][route.method.toLowerCase()];
    expect(operation).toMatchObject({ operationId: name, 'x-right': route.right });
    const scopes = operation.security?.flatMap((one: object) => Object.values(one).flat());
    expect(scopes).toEqual(route.scope === null ? undefined : [route.scope, route.scope]);
    const own = route.errors.map((error) =>
      typeof error === 'string' ? { code: error, status: ERROR_STATUS[error] } : error,
    );
    for (const { code, status } of own) {
      const { $ref } = operation.responses[status];
      expect($ref.split('/').at(-1).split('.')).toContain(code);
    }
  });

  it('has every error code', () => {
    expect(document.components.schemas.ErrorCode.enum).toEqual(Object.keys(ERROR_STATUS));
  });
});

describe('a route that was forgotten', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'openapi-'));
    cpSync(join(root, 'src', 'protocol'), join(folder, 'src', 'protocol'), { recursive: true });
    cpSync(join(root, 'tsconfig.base.json'), join(folder, 'tsconfig.base.json'));
    const path = join(folder, 'src', 'protocol', 'routes.ts');
    const added = `readNews: { method: 'GET', path: '/:streamId/news/:newsId', right: 'watch', scope: null, summary: 'N.', errors: [] },`;
    writeFileSync(
      path,
      readFileSync(path, 'utf8').replace('  listSessions: {', `  ${added}\n  listSessions: {`),
    );
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('is named, with where to add it', async () => {
    const { faults } = await openApiDocument(folder);
    expect(faults).toEqual([
      'The route readNews has no bodies: add what it takes and answers to RouteBodies in src/protocol/route-bodies.ts',
      'The path of the route readNews has the unknown segment :newsId: add it to PATH_PARAMETERS in src/protocol/route-definition.ts',
    ]);
  });
});

describe('the route of the document', () => {
  it('leaves out routes that are not served, and names the paths and the mount of this server', async () => {
    const server = await serveRouter({ basePath: '/stream', metrics: { path: '/numbers' }, openApi: true });
    const { status, json } = await ask(`${server.url}/stream/openapi.json`);
    await server.close();
    expect(status).toBe(200);
    expect(json.servers).toEqual([{ url: '/stream' }]);
    const served = Object.values<object>(json.paths).flatMap((path) =>
      Object.values(path).map(({ operationId }) => operationId as RouteName),
    );
    const off = Object.keys(ROUTES).filter((name) => !served.includes(name as RouteName));
    expect(
      off.filter((name) =>
        /recording|playlist|health|readiness|debugger|WebS|WebI|receive|profile|storageState|admin/i.test(
          name,
        ),
      ),
    ).toEqual(off);
    expect(off).toContain('startRecording');
    expect(json.paths['/numbers'].get.operationId).toBe('readMetrics');
    expect(json.paths['/openapi.json'].get.operationId).toBe('readOpenApi');
    expect(await new Validator().validate(json)).toEqual({ valid: true });
  });

  it('is not there without the option', async () => {
    const server = await serveRouter();
    const { status, json } = await ask(`${server.url}/openapi.json`);
    await server.close();
    expect([status, json.error.code]).toEqual([404, 'no_such_session']);
  });
});

describe('the contract that tests are held to', () => {
  const exchange: Exchange = {
    ...{ method: 'GET', path: '/', requestType: undefined, requestBody: Buffer.alloc(0) },
    ...{
      status: 200,
      answerType: 'application/json; charset=utf-8',
      answerBody: Buffer.from('{"sessions":[]}'),
    },
  };
  const error = (code: string): Buffer => Buffer.from(JSON.stringify({ error: { code, message: 'One' } }));

  it.each<[string, Partial<Exchange>, string | undefined]>([
    ['what is documented', {}, undefined],
    ['a status that is not documented', { status: 202 }, 'no such status'],
    ['a property that is not documented', { answerBody: Buffer.from('{"sessions":[],"more":1}') }, '"more"'],
    ['a property that is missing', { answerBody: Buffer.from('{}') }, 'sessions'],
    ['another media type', { answerType: 'text/html' }, 'text/html'],
    ['a code of another status', { status: 401, answerBody: error('conflict') }, 'allowed values'],
    ['a refusal of any status', { status: 418, answerBody: error('forbidden') }, undefined],
    [
      'a request that should not have been accepted',
      {
        ...{
          method: 'PATCH',
          path: '/one',
          requestType: 'application/json',
          requestBody: Buffer.from('{"frameRate":99}'),
        },
        answerBody: Buffer.from('{"resolution":"64x64","frameRate":1,"maxBitrateBps":100000}'),
      },
      '/frameRate',
    ],
  ])('sees %s', (_, part, sentence) => {
    const contract = new Contract();
    contract.check({ ...exchange, ...part });
    expect(contract.faults).toEqual(sentence === undefined ? [] : [expect.stringContaining(sentence)]);
  });
});
