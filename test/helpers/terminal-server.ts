import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

import { WebSocket } from 'ws';

import { systemClock } from '../../src/base/clock.js';
import type { StreamKitOptions } from '../../src/options/stream-kit-options.js';
import { resolveOptions } from '../../src/options/stream-kit-options.js';
import type { StreamKitRouter } from '../../src/http/stream-kit-router.js';
import type { RouterParts } from '../../src/session/open-sessions.js';
import { composeRouter } from '../../src/router.js';
import { Contract } from './contract.js';
import type { Answer } from './router-server.js';
import { ask, postJson } from './router-server.js';
import { FakeParts } from './session-fakes.js';

export const isTmuxInstalled = spawnSync('tmux', ['-V'], { stdio: 'ignore' }).error === undefined;

/** Ends the terminals that have outlived their server. @param stateDir - of that server; it may be gone. */
export function endLeftTerminals(stateDir: string): void {
  const ids = existsSync(stateDir) ? readdirSync(stateDir) : [];
  for (const socket of ids.map((id) => join(stateDir, id, 'tmux')))
    if (existsSync(socket)) spawnSync('tmux', ['-S', socket, 'kill-server']);
}

/** A router with real terminals, mounted at `/sessions` of a real server; nothing else of it is real. */
export class TerminalServer {
  private constructor(
    readonly url: string,
    readonly router: StreamKitRouter,
    /** Without waiting for the sessions. */
    readonly stopListening: () => Promise<void>,
  ) {}

  static async start(options: StreamKitOptions): Promise<TerminalServer> {
    const parts = Object.assign(new FakeParts(), {
      clock: systemClock,
      ids: { streamId: () => randomUUID(), viewerId: () => randomUUID() },
    }) as unknown as RouterParts;
    const router = composeRouter(
      resolveOptions({ basePath: '/sessions', stateUpdateInterval: 10, ...options }),
      parts,
    );
    const server = createServer((request, response) => void router(request, response));
    const contract = new Contract().watch(server, '/sessions');
    router.attach(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/sessions`;
    return new TerminalServer(url, router, async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      contract.assert();
    });
  }

  create(terminal: Readonly<Record<string, unknown>>): Promise<Answer> {
    return postJson(this.url, { terminal });
  }

  /** A terminal that runs, and a client of it. */
  async open(terminal: Readonly<Record<string, unknown>> = {}): Promise<TerminalClient> {
    const { status, json } = await this.create(terminal);
    if (status !== 201) throw new Error(JSON.stringify(json));
    return this.connect((json as { streamId: string }).streamId);
  }

  /** @param lastSeq - `unsaid`: the client does not say where it begins. */
  async connect(id: string, lastSeq: number | null | 'unsaid' = null, query = ''): Promise<TerminalClient> {
    const url = `${this.url.replace('http', 'ws')}/${id}/stream${query}`;
    const client = new TerminalClient(id, new WebSocket(url));
    await client.opened;
    if (lastSeq !== 'unsaid') client.send({ type: 'resume', lastSeq });
    return client;
  }

  state(id: string): Promise<Answer> {
    return ask(`${this.url}/${id}`);
  }

  async close(): Promise<void> {
    await this.router.close();
    await this.stopListening();
  }
}

/** A client of a terminal's WebSocket. */
export class TerminalClient {
  readonly frames: { readonly seq: number; readonly data: Buffer }[] = [];
  readonly messages: Record<string, unknown>[] = [];
  closed: { readonly code: number; readonly reason: string } | undefined;
  readonly opened: Promise<void>;
  readonly #waiting = new Set<() => void>();

  constructor(
    readonly id: string,
    private readonly socket: WebSocket,
  ) {
    this.opened = new Promise((resolve, reject) => {
      socket.once('open', () => resolve());
      socket.once('error', reject);
    });
    socket.on('message', (data: Buffer, isBinary) => {
      if (isBinary) this.frames.push({ seq: Number(data.readBigUInt64BE(0)), data: data.subarray(8) });
      else this.messages.push(JSON.parse(data.toString()) as Record<string, unknown>);
      this.#wake();
    });
    socket.on('close', (code, reason) => {
      this.closed = { code, reason: reason.toString() };
      this.#wake();
    });
  }

  send(message: Readonly<Record<string, unknown>>): void {
    this.socket.send(JSON.stringify(message));
  }

  get bytes(): Buffer {
    return Buffer.concat(this.frames.map(({ data }) => data));
  }

  get text(): string {
    return this.bytes.toString();
  }

  get lastSeq(): number | null {
    return this.frames.at(-1)?.seq ?? null;
  }

  of(type: string): Record<string, unknown>[] {
    return this.messages.filter((message) => message.type === type);
  }

  /** Waits until something holds of what has arrived. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      if (this.closed !== undefined)
        throw new Error(`It was closed first, after ${JSON.stringify(this.text.slice(-2000))}`);
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  async untilText(text: string): Promise<void> {
    await this.until(() => this.text.includes(text));
  }

  async untilClosed(): Promise<void> {
    const isOpen = (): boolean => this.closed === undefined;
    while (isOpen()) await new Promise<void>((resolve) => this.#waiting.add(resolve));
  }

  /** The next snapshot, as text. */
  async snapshot(): Promise<string> {
    const before = this.of('snapshot').length;
    this.send({ type: 'snapshot-request' });
    await this.until(() => this.of('snapshot').length > before);
    return snapshotText(this.of('snapshot').at(-1));
  }

  /** The connection is lost. */
  cut(): void {
    this.socket.terminate();
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}

export function snapshotText(message: Record<string, unknown> | undefined): string {
  return Buffer.from(String(message?.data), 'base64').toString();
}
