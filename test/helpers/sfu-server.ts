import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { freePort } from './free-port.js';
import { until } from './patience.js';

const script = join(import.meta.dirname, '../../scripts/sfu-servers.mjs');
const { liveKitArguments, tokenOf } = (await import(pathToFileURL(script).href)) as {
  liveKitArguments: (ports: Readonly<Record<'port' | 'tcpPort' | 'udpPort', number>>) => string[];
  tokenOf: (identity: string, grant: Omit<LiveKitGrant, 'identity'>) => string;
};

/** What LiveKit lets somebody do in a room. */
export interface LiveKitGrant {
  readonly identity: string;
  readonly room: string;
  readonly canPublish?: boolean;
  readonly canSubscribe?: boolean;
}

/** A server that `scripts/test-sfu.mjs` has built, on the loopback address. */
export class SfuServer {
  readonly #child: ChildProcess;
  readonly origin: string;

  private constructor(child: ChildProcess, origin: string) {
    this.#child = child;
    this.origin = origin;
  }

  static async livekit(): Promise<SfuServer> {
    const [port, tcpPort, udpPort] = [await freePort(), await freePort(), await freePort()];
    return SfuServer.#start('server', liveKitArguments({ port, tcpPort, udpPort }), {}, port);
  }

  static async pion(): Promise<SfuServer> {
    const port = await freePort();
    return SfuServer.#start('whip-whep', [], { LISTEN: `127.0.0.1:${port}` }, port);
  }

  static async #start(
    name: string,
    args: readonly string[],
    env: Readonly<Record<string, string>>,
    port: number,
  ): Promise<SfuServer> {
    const file = join(process.env.SFU_DIRECTORY ?? '', name);
    const child = spawn(file, args, {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, ...env },
    });
    const server = new SfuServer(child, `http://127.0.0.1:${port}`);
    try {
      await until(async () => {
        if (child.exitCode !== null) throw new Error(`${name} ended by itself`);
        await fetch(server.origin);
      }, 100);
    } catch (thrown) {
      await server.close();
      throw thrown;
    }
    return server;
  }

  /** An access token. */
  static token({ identity, ...grant }: LiveKitGrant): string {
    return tokenOf(identity, grant);
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exited;
  }
}
