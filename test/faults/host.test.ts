import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { once } from 'node:events';
import { Agent, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';

import { until } from '../helpers/patience.js';
import { root } from '../helpers/product.js';
import { browsersIn, profilesOf, ServerProcess } from '../helpers/server-process.js';
import { commandLine, processesOfSessions } from '../helpers/session-processes.js';
import { isTmuxInstalled } from '../helpers/terminal-server.js';

/** What the process in which the router runs may meet: the limits of the system, and its own sudden end. */

let server: ServerProcess;

/** A page that does not need the host. */
const pages = createServer((_request, response) => {
  response.writeHead(200, { 'content-type': 'text/html' }).end('<body style="background:#246">page');
});

beforeAll(async () => {
  pages.listen(0, '127.0.0.1');
  await once(pages, 'listening');
});

afterAll(() => {
  pages.closeAllConnections();
  pages.close();
});

afterEach(async () => {
  await server.end('SIGTERM');
});

/** One connection for all: a process without descriptors accepts no other. */
class OneConnection {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  ask(method: string, path: string, body?: object): Promise<{ status: number; json: any }> {
    return new Promise((resolve, reject) => {
      const asking = request(`${this.#url}${path}`, {
        ...{ method, agent: this.#agent },
        headers: { 'content-type': 'application/json' },
      });
      asking.on('error', reject);
      asking.on('response', (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (text += chunk));
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, json: text === '' ? undefined : JSON.parse(text) }),
        );
        response.on('error', reject);
      });
      asking.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

interface Outcome {
  readonly status: string;
  readonly error: string;
}

/** Says what is missing, and that it may be tried again; a browser that gets no more files on its way may also go by itself. */
const REFUSAL = /^(?:503 unavailable|error unavailable|error browser_crashed)$/;

/** How a new session comes out: its status and the code of its error, once it is not launching any more. */
async function outcome(connection: OneConnection): Promise<Outcome> {
  const { status, json } = await connection.ask('POST', '/stream', {
    targetUrl: `http://127.0.0.1:${(pages.address() as AddressInfo).port}/`,
    renderOptions: { resolution: '320x180' },
  });
  if (status !== 201) return { status: String(status), error: String(json?.error?.code ?? '') };
  const path = `/stream/${String(json.streamId)}`;
  const state = await until(async () => {
    const { json: document } = await connection.ask('GET', path);
    expect(document.status).not.toBe('initializing');
    return document;
  }, 100);
  await connection.ask('DELETE', path);
  return { status: state.status, error: state.errorCode ?? '' };
}

/** What children have open does not count, and they inherit the limit: it is one that a browser can live with. */
const MAX_FILES = 1024;
const canLimit = spawnSync('prlimit', ['--version']).error === undefined;

test.runIf(canLimit)('a host that can open no more files refuses sessions, lives, and recovers', async () => {
  server = await ServerProcess.start(join(root, 'test', 'fixtures', 'descriptor-server.mjs'));
  execFileSync('prlimit', ['--pid', String(server.pid), `--nofile=${MAX_FILES}`]);
  const connection = new OneConnection(server.origin);
  try {
    expect((await outcome(connection)).status).toBe('connecting');
    // They are used up here or there on the way to a browser.
    for (const left of [0, 3]) {
      expect((await connection.ask('POST', `/exhaust/${left}`)).status).toBe(204);
      const outcomes: Outcome[] = [];
      // The first may get the process that was started ahead.
      for (let session = 0; session < 2; session++) outcomes.push(await outcome(connection));
      expect((await connection.ask('POST', '/release')).status).toBe(204);
      for (const { status, error } of outcomes) {
        process.stdout.write(`${left} more files | ${status} ${error}\n`);
        if (status !== 'connecting') expect(`${status} ${error}`).toMatch(REFUSAL);
      }
      if (left === 0) expect(outcomes[1]?.status).not.toBe('connecting');
      expect(await outcome(connection)).toEqual({ status: 'connecting', error: '' });
    }
    await until(() => expect(profilesOf(server.pid)).toEqual([]));
  } finally {
    connection.close();
  }
});

/** Root may not have the right to limit others, and is not limited itself: this process and the server are nobody then. */
const NOBODY = process.getuid?.() === 0 ? { uid: 65_534 } : {};

function processLimit(pid: number): string {
  const answer = ['--nproc', '--output=SOFT', '--noheadings', '--raw'];
  return execFileSync('prlimit', ['--pid', String(pid), ...answer], NOBODY)
    .toString()
    .trim();
}

function limitProcesses(pid: number, softLimit: string): void {
  execFileSync('prlimit', ['--pid', String(pid), `--nproc=${softLimit}:`], NOBODY);
}

test.runIf(canLimit)(
  'a host that can start no more processes refuses sessions, lives, and recovers',
  async () => {
    server = await ServerProcess.start(join(root, 'test', 'fixtures', 'descriptor-server.mjs'), undefined, [
      '--nobody',
    ]);
    const unlimited = processLimit(server.pid);
    const connection = new OneConnection(server.origin);
    try {
      // The host gets no process beyond the one that was started ahead.
      expect(await outcome(connection)).toEqual({ status: 'connecting', error: '' });
      await until(() => expect(processesOfSessions(server.pid)).toHaveLength(1));
      limitProcesses(server.pid, '1');
      expect(await outcome(connection)).toEqual({ status: 'connecting', error: '' });
      for (let session = 0; session < 2; session++) {
        expect(await outcome(connection)).toEqual({
          status: 'error',
          error: 'unavailable',
        });
      }
      limitProcesses(server.pid, unlimited);
      expect(await outcome(connection)).toEqual({ status: 'connecting', error: '' });
      // The session process gets none for its browser.
      await until(() => expect(processesOfSessions(server.pid)).toHaveLength(1));
      for (const { pid } of processesOfSessions(server.pid)) limitProcesses(pid, '1');
      expect(await outcome(connection)).toEqual({
        status: 'error',
        error: 'unavailable',
      });
      expect(await outcome(connection)).toEqual({ status: 'connecting', error: '' });
      await until(() => expect(profilesOf(server.pid)).toEqual([]));
    } finally {
      connection.close();
    }
  },
);

/** Folders of terminals that the server of process `pid` owns. */
function terminalFoldersOf(pid: number): string[] {
  return readdirSync(tmpdir()).filter((name) => name.startsWith(`stream-kit-terminal-${pid}-`));
}

test.runIf(isTmuxInstalled)(
  'after SIGKILL of the host no process and no file of its sessions is left',
  async () => {
    server = await ServerProcess.start(undefined, undefined, ['--terminal']);
    await server.liveSession();
    const answer = await fetch(`${server.origin}/stream`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ terminal: {} }),
    });
    expect(answer.status).toBe(201);
    await until(() => expect(terminalFoldersOf(server.pid)).toHaveLength(1));
    const { pid } = server;
    const sessions = processesOfSessions(pid);
    const profiles = profilesOf(pid);
    expect(sessions.length).toBeGreaterThan(3);
    // The browser's, and that of the files which the page is given and gives.
    expect(profiles).toHaveLength(2);
    await server.end('SIGKILL');
    const startedMs = performance.now();
    await until(() => {
      expect(profilesOf(pid)).toEqual([]);
      expect(terminalFoldersOf(pid)).toEqual([]);
      expect(browsersIn(profiles)).toEqual([]);
      // Whoever adopts them fetches what has ended in its own time.
      expect(sessions.filter(({ pid: one }) => commandLine(one) !== '')).toEqual([]);
    });
    const tookMs = performance.now() - startedMs;
    process.stdout.write(`all gone after ${tookMs.toFixed(0)} ms\n`);
    if ((process.env.STREAM_KIT_ASSERT_FIGURES ?? '') !== '') expect(tookMs).toBeLessThan(1_000);
  },
);
