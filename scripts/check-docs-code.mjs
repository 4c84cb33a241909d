// Fails where code in README.md or docs/ does not compile against the package's own types.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import ts from 'typescript';

const root = join(import.meta.dirname, '..');
const PAGES = ['README.md', ...readdirSync(join(root, 'docs')).map((name) => `docs/${name}`)];
const LANGUAGES = { ts: 'ts', js: 'ts', tsx: 'tsx' };

/** What blocks may use without saying where it comes from: of the package, of the page that is rendered, and of the reader's application. */
const READERS_OWN = `
import type * as product from '@open-game-system/stream-kit-server';
import type * as client from '@open-game-system/stream-kit-server/client';
declare global {
  const createStreamKitRouter: typeof product.createStreamKitRouter;
  const validateRequest: NonNullable<product.StreamKitOptions['validateRequest']>;
  const createServer: typeof import('node:http').createServer;
  const stream: client.StreamConnection;
  const video: HTMLVideoElement;
  const streamId: string;
  const token: string;
  const userOf: (request: unknown) => Promise<{ id: string; plan: string } | undefined>;
  const koa: any, hono: any, connect: any, fastify: any, AccessToken: any;
  interface Window { streamKit: any }
}
`;

const { config } = ts.readConfigFile(join(root, 'tsconfig.base.json'), ts.sys.readFile);
const { options } = ts.convertCompilerOptionsFromJson(
  {
    ...config.compilerOptions,
    ...{ noEmit: true, declaration: false, isolatedModules: false, verbatimModuleSyntax: false },
    // A reader's variables are used further on.
    ...{ noUnusedLocals: false, noUnusedParameters: false, noImplicitAny: false },
    ...{ jsx: 'react-jsx', lib: ['ES2023', 'DOM', 'DOM.Iterable'], types: ['node'] },
    paths: {
      '@open-game-system/stream-kit-server': ['./src/index.ts'],
      '@open-game-system/stream-kit-server/client': ['./src/client/index.ts'],
      '@open-game-system/stream-kit-server/react': ['./src/react/index.ts'],
    },
  },
  root,
);

/** Path of a file that does not exist, in the folder of its page, to its code; and where that stands. */
const blocks = new Map();
for (const page of PAGES) {
  const text = readFileSync(join(root, page), 'utf8');
  for (const { index, 1: language, 2: code } of text.matchAll(/^```(\w+)\n([^]*?)^```/gm)) {
    if (!(language in LANGUAGES)) continue;
    const line = text.slice(0, index).split('\n').length;
    // Each block is a module, whose names are its own.
    blocks.set(join(root, `${page}.${line}.${LANGUAGES[language]}`), {
      page,
      line,
      code: `${code}\nexport {};\n`,
    });
  }
}

const prelude = join(root, 'docs', 'readers-own.ts');
const sources = new Map([...blocks].map(([path, { code }]) => [path, code])).set(prelude, READERS_OWN);
const host = ts.createCompilerHost(options);
const { fileExists, readFile, getSourceFile } = host;
host.fileExists = (path) => sources.has(path) || fileExists(path);
host.readFile = (path) => sources.get(path) ?? readFile(path);
host.getSourceFile = (path, languageVersion, ...rest) =>
  sources.has(path)
    ? ts.createSourceFile(path, sources.get(path), languageVersion)
    : getSourceFile(path, languageVersion, ...rest);

const program = ts.createProgram([...sources.keys()], options, host);
let found = 0;
for (const [path, { page, line }] of blocks) {
  const source = program.getSourceFile(path);
  for (const { start = 0, messageText } of [
    ...program.getSyntacticDiagnostics(source),
    ...program.getSemanticDiagnostics(source),
  ]) {
    const at = line + 1 + source.getLineAndCharacterOfPosition(start).line;
    console.error(`${page}:${at}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`);
    found += 1;
  }
}
if (blocks.size === 0) throw new Error('There is no code in the documentation');
process.exitCode = found === 0 ? 0 : 1;
