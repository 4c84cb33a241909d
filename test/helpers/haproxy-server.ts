import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { BreakableProcess } from './breakable-process.js';
import { freePort } from './free-port.js';
import { until } from './patience.js';

/** HAProxy before the nodes of a cluster, as docs/scale.md has it: round robin, no stickiness. */
export class HaproxyServer extends BreakableProcess {
  static readonly isInstalled = spawnSync('haproxy', ['-v'], { stdio: 'ignore' }).error === undefined;

  private constructor(
    child: ChildProcess,
    readonly port: number,
    private readonly folder: string,
  ) {
    super(child);
  }

  /** @param backends - ports of the nodes. */
  static async start(backends: readonly number[]): Promise<HaproxyServer> {
    const folder = mkdtempSync(join(tmpdir(), 'haproxy-'));
    const port = await freePort();
    writeFileSync(join(folder, 'config'), configOf(port, backends));
    const server = new HaproxyServer(spawnHaproxy(folder), port, folder);
    await server.#listening();
    return server;
  }

  get origin(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async restart(): Promise<void> {
    await this.kill();
    this.child = spawnHaproxy(this.folder);
    await this.#listening();
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true });
  }

  #listening(): Promise<void> {
    return until(
      () =>
        new Promise<void>((resolve, reject) => {
          const socket = connect(this.port, '127.0.0.1', () => {
            socket.destroy();
            resolve();
          });
          socket.on('error', reject);
        }),
    );
  }
}

function spawnHaproxy(folder: string): ChildProcess {
  return spawn('haproxy', ['-db', '-f', join(folder, 'config')], { stdio: 'ignore' });
}

/** What is documented is what is tested; only the addresses are others. */
function configOf(port: number, backends: readonly number[]): string {
  const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'scale.md'), 'utf8');
  const block = /```haproxy\n([^]*?)```/.exec(page)?.[1];
  if (block === undefined) throw new Error('docs/scale.md has no block of HAProxy');
  let text = block.replace(/bind .*/, `bind 127.0.0.1:${port}`);
  for (const [index, backend] of backends.entries())
    text = text.replace(`10.0.0.1${index}:8080`, `127.0.0.1:${backend}`);
  return text;
}
