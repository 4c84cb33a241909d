import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';

import { freePort } from '../helpers/free-port.js';
import { until } from '../helpers/patience.js';
import { root } from '../helpers/product.js';
import type { RouterServer } from '../helpers/router-server.js';
import { ask, EventStreamClient, postJson, serveRouter } from '../helpers/router-server.js';
import { settle } from '../helpers/virtual-clock.js';

interface Proxy {
  readonly name: string;
  readonly program: string;
  readonly words: (file: string) => readonly string[];
  readonly config: (ports: {
    readonly front: number;
    readonly back: number;
    readonly folder: string;
  }) => string;
}

/** The block of a language in the page about deployment, so that what is documented is what is tested. */
function documented(language: string): string {
  const page = readFileSync(join(root, 'docs/deployment.md'), 'utf8');
  const block = new RegExp(`\`\`\`${language}\\n([^]*?)\`\`\``).exec(page)?.[1];
  if (block === undefined) throw new Error(`There is no block of ${language}`);
  return block;
}

const at = (text: string, back: number): string => text.replaceAll('127.0.0.1:3001', `127.0.0.1:${back}`);

const PROXIES: readonly Proxy[] = [
  {
    name: 'nginx',
    program: 'nginx',
    words: (file) => ['-c', file, '-e', 'stderr'],
    config: ({ front, back, folder }) => {
      const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
      return `daemon off; master_process off; pid ${folder}/pid; error_log stderr;
events { worker_connections 256; }
http {
  access_log off;
  ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')}
  server {
    listen 127.0.0.1:${front};
    ${at(documented('nginx'), back)}
  }
}`;
    },
  },
  {
    name: 'HAProxy',
    program: 'haproxy',
    words: (file) => ['-db', '-f', file],
    config: ({ front, back }) =>
      at(documented('haproxy'), back).replace(/bind .*/, `bind 127.0.0.1:${front}`),
  },
  {
    name: 'Caddy',
    program: 'caddy',
    words: (file) => ['run', '--adapter', 'caddyfile', '--config', file],
    config: ({ front, back }) => `{
  admin off
  auto_https off
}
http://127.0.0.1:${front} {
  bind 127.0.0.1
  ${at(documented('caddy'), back)}
}`,
  },
];

const isInstalled = (program: string): boolean =>
  spawnSync(program, ['-v'], { stdio: 'ignore' }).error === undefined;

describe.each(PROXIES)('behind $name', ({ program, words, config }) => {
  if (!isInstalled(program)) {
    it.skip(`nothing is tested: ${program} is not installed`, () => undefined);
    return;
  }
  let server: RouterServer;
  let folder: string;
  let proxy: ChildProcess;
  let url: string;

  beforeEach(async () => {
    server = await serveRouter({ basePath: '/stream', trustProxy: 1, stateUpdateInterval: 10 });
    server.router.attach(server.server);
    folder = mkdtempSync(join(tmpdir(), 'proxy-test-'));
    const front = await freePort();
    const file = join(folder, 'config');
    writeFileSync(file, config({ front, back: Number(new URL(server.url).port), folder }));
    proxy = spawn(program, words(file), {
      cwd: folder,
      env: { ...process.env, HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    proxy.stderr?.on('data', (data: Buffer) => (said += data.toString()));
    await until(async () => {
      expect(proxy.exitCode, said).toBeNull();
      expect(await isListening(front)).toBe(true);
    });
    url = `http://127.0.0.1:${front}/stream`;
  });

  afterEach(async () => {
    if (proxy.exitCode === null) {
      const exited = once(proxy, 'exit');
      proxy.kill('SIGTERM');
      await exited;
    }
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function liveSession(): Promise<string> {
    const { status, json } = await postJson(url, { targetUrl: 'https://game.example.org/' });
    expect(status).toBe(201);
    server.parts.launches.at(-1)?.succeed();
    await settle();
    return `${url}/${json.streamId}`;
  }

  it('state and signals come at once over the event stream', async () => {
    const session = await liveSession();
    const events = await EventStreamClient.open(`${session}/sse?media=none`);
    await events.signal('viewer');
    await ask(session, { method: 'DELETE' });
    await events.signal('closed');
    await events.untilEnd();
  });

  it('a WebSocket of a page of the same origin opens and carries messages', async () => {
    const session = await liveSession();
    const socket = new WebSocket(`${session.replace('http', 'ws')}/stream`, { origin: new URL(url).origin });
    const messages: { type: string; code?: string }[] = [];
    socket.on('message', (data: Buffer, isBinary) => {
      if (!isBinary) messages.push(JSON.parse(data.toString()) as { type: string });
    });
    await once(socket, 'open');
    await until(() => expect(messages.map(({ type }) => type)).toContain('session-meta'));
    socket.send('nonsense');
    await until(() => expect(messages.map(({ code }) => code)).toContain('bad_message'));
    socket.close();
    await once(socket, 'close');
  });

  it('a page of another origin opens no WebSocket', async () => {
    const session = await liveSession();
    const socket = new WebSocket(`${session.replace('http', 'ws')}/stream`, {
      origin: 'http://evil.example',
    });
    const [error] = (await once(socket, 'error')) as [Error];
    expect(error.message).toContain('403');
  });

  it('a WHEP player is answered with a place below the proxy', async () => {
    const session = await liveSession();
    const headers = { 'content-type': 'application/sdp' };
    const created = await ask(`${session}/whep`, { method: 'POST', headers, body: 'v=0' });
    expect([created.status, created.headers.get('content-type')]).toEqual([201, 'application/sdp']);
    const resource = new URL(created.headers.get('location') ?? '', session).href;
    expect(resource.startsWith(`${session}/whep/`)).toBe(true);
    expect((await ask(resource, { method: 'DELETE' })).status).toBe(200);
  });
});

async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
