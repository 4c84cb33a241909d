import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { gzipSync } from 'node:zlib';

import { afterEach, beforeEach, expect, it } from 'vitest';

import type { Logger } from '../../src/base/logger.js';
import { DEFAULT_TARGET_POLICY } from '../../src/options/target-policy-options.js';
import type { PreloadCounts } from '../../src/render/capture/cache-preload.js';
import { root } from '../helpers/product.js';

// What it finds beside itself is there only when built.
const { preloadCaches } = (await import(
  join(root, 'dist', 'render', 'capture', 'cache-preload.js')
)) as typeof import('../../src/render/capture/cache-preload.js');

const SHAPE = { width: 320, height: 180, frameRate: 30, deviceScaleFactor: 1, audio: true };

let directory: string;
let server: Server;
let origin: string;
let warnings: string[];

const logger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  error: () => undefined,
  warn: (context: { err?: unknown }) => {
    if (context.err !== undefined) warnings.push(inspect(context.err));
  },
  child: () => logger,
};

beforeEach(async () => {
  warnings = [];
  directory = await mkdtemp(join(tmpdir(), 'preload-'));
  server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(async () => {
  server.close();
  server.closeAllConnections();
  await rm(directory, { recursive: true, force: true });
});

function preload(
  urls: readonly string[],
  signal = new AbortController().signal,
  executablePath?: string,
): Promise<PreloadCounts> {
  return preloadCaches(
    {
      launchOptions: executablePath === undefined ? {} : { executablePath },
      capture: 'auto',
      launchTimeoutMs: 60_000,
      profileDirectory: directory,
      targetPolicy: { ...DEFAULT_TARGET_POLICY, allowPrivateAddresses: true },
      logger,
    },
    SHAPE,
    urls,
    signal,
  );
}

it('ends a page that loads more than it may, and keeps nothing but caches', async () => {
  const much = gzipSync(Buffer.alloc(65 * 1024 * 1024));
  const PAGES: Record<string, string> = {
    // As it can since no popups are blocked.
    '/small': `<script>open('/popup'); open('/popup', '', 'noopener');</script>`,
    '/popup': `<img src="/of-popup">`,
    '/': `<img src="/never"><script type="module">
      const reader = (await fetch('/much')).body.getReader();
      while (!(await reader.read()).done);
    </script>`,
  };
  const HTML = { 'content-type': 'text/html', 'set-cookie': 'a=b; max-age=3600' };
  const waiting: ServerResponse[] = [];
  const asked: string[] = [];
  server.on('request', ({ url = '' }, response) => {
    asked.push(url);
    // The page is not loaded before its picture is there, which never is.
    if (url === '/never') return;
    if (url === '/popup' && !asked.includes('/')) {
      waiting.push(response);
      return;
    }
    // By now its tab is closed.
    if (url === '/') for (const one of waiting) one.writeHead(200, HTML).end(PAGES['/popup']);
    if (url !== '/much') {
      response.writeHead(200, HTML);
      response.end(PAGES[url] ?? '<p>');
      return;
    }
    response.writeHead(200, { 'content-encoding': 'gzip', 'content-type': 'text/plain' });
    // Without an end.
    response.write(much);
  });
  expect(await preload([`${origin}/small`, `${origin}/`, `${origin}/late`])).toEqual({
    loaded: 1,
    failed: 2,
  });
  expect(warnings[0]).toContain('more than 67108864 bytes');
  expect(warnings[1]).toContain('bounds');
  expect(asked).not.toContain('/late');
  expect(asked).not.toContain('/of-popup');
  expect(await readdir(directory)).toEqual(['Default']);
  for (const name of await readdir(join(directory, 'Default')))
    expect(['Cache', 'Code Cache']).toContain(name);
});

it('counts what a browser that cannot be launched has not loaded', async () => {
  const urls = [`${origin}/one`, `${origin}/two`];
  expect(await preload(urls, undefined, '/nowhere/chromium')).toEqual({ loaded: 0, failed: 2 });
  expect(warnings).toHaveLength(1);
});

it('is given up with its signal, and its browser ends', async () => {
  const aborting = new AbortController();
  // The page never comes.
  server.on('request', () => aborting.abort(new Error('given up')));
  await expect(preload([`${origin}/`], aborting.signal)).rejects.toThrow('given up');
  expect(existsSync(join(directory, 'preload'))).toBe(false);
});
