import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Redis } from 'ioredis';

import { BreakableProcess } from './breakable-process.js';
import { freePort } from './free-port.js';
import { until } from './patience.js';

/** A Redis on the loopback address that keeps nothing. */
export class RedisServer extends BreakableProcess {
  static readonly isInstalled = spawnSync('redis-server', ['-v'], { stdio: 'ignore' }).error === undefined;

  private constructor(
    child: ChildProcess,
    readonly port: number,
    private readonly directory: string,
  ) {
    super(child);
  }

  static async start(): Promise<RedisServer> {
    const directory = await mkdtemp(join(tmpdir(), 'redis-'));
    const port = await freePort();
    const server = new RedisServer(spawnRedis(port, directory), port, directory);
    await server.#listening();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  async restart(): Promise<void> {
    await this.kill();
    this.child = spawnRedis(this.port, this.directory);
    await this.#listening();
  }

  async stop(): Promise<void> {
    await this.kill();
    await rm(this.directory, { recursive: true, force: true });
  }

  async #listening(): Promise<void> {
    const client = new Redis(this.url, { lazyConnect: true, retryStrategy: (): number => 50 });
    client.on('error', () => undefined);
    await until(() => client.ping());
    client.disconnect();
  }
}

function spawnRedis(port: number, directory: string): ChildProcess {
  const settings = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
  return spawn('redis-server', settings, { cwd: directory, stdio: 'ignore' });
}
