import { readFile } from 'node:fs/promises';

import type { ConfigurableRoute, RouteName } from '../protocol/routes.js';
import { ROUTES } from '../protocol/routes.js';
import type { HttpResponse } from './http-message.js';
import { jsonResponse } from './http-message.js';
import type { HandlersOf } from './route-handler.js';

/** The parts of the generated document that are read here. */
interface OpenApiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, { readonly operationId: string }>>>>;
}

export interface OpenApiRoutesParameters {
  /** The routes that this server has. */
  readonly served: () => readonly RouteName[];
  /** Paths below the base path that options have set. */
  readonly paths: Readonly<Partial<Record<ConfigurableRoute, string>>>;
}

const FILE = new URL('../../docs/openapi.json', import.meta.url);

/** The OpenAPI document, of the routes of this server and where it is mounted. */
export function openApiRoutes({ served, paths }: OpenApiRoutesParameters): HandlersOf<'readOpenApi'> {
  let document: OpenApiDocument | undefined;
  let last: { readonly prefix: string; readonly answer: HttpResponse } | undefined;
  return {
    readOpenApi: async ({ request }) => {
      document ??= servedPart(
        JSON.parse(await readFile(FILE, 'utf8')) as OpenApiDocument,
        new Set(served()),
        paths,
      );
      const { prefix } = request;
      if (last?.prefix !== prefix) {
        const servers = [{ url: prefix === '' ? '/' : prefix }];
        last = { prefix, answer: jsonResponse(200, { ...document, servers }) };
      }
      return last.answer;
    },
  };
}

function servedPart(
  document: OpenApiDocument,
  names: ReadonlySet<string>,
  configured: OpenApiRoutesParameters['paths'],
): OpenApiDocument {
  const moved = new Map(
    Object.entries(configured).map(([name, path]) => [
      ROUTES[name as ConfigurableRoute].path as string,
      path,
    ]),
  );
  const paths = Object.entries(document.paths).flatMap(([path, operations]) => {
    const kept = Object.entries(operations).filter(([, { operationId }]) => names.has(operationId));
    return kept.length === 0 ? [] : [[moved.get(path) ?? path, Object.fromEntries(kept)] as const];
  });
  return { ...document, paths: Object.fromEntries(paths) };
}
