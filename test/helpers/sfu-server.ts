import { type ChildProcess, spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';

import { freePort } from './free-port.js';
import { until } from './patience.js';

const API_KEY = 'key';
const API_SECRET = 'a secret of the tests that is long enough';

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
    const config = {
      port,
      bind_addresses: ['127.0.0.1'],
      keys: { [API_KEY]: API_SECRET },
      rtc: {
        tcp_port: tcpPort,
        udp_port: udpPort,
        use_external_ip: false,
        node_ip: '127.0.0.1',
        enable_loopback_candidate: true,
      },
      logging: { level: 'error' },
    };
    // JSON is YAML.
    return SfuServer.#start('server', ['--config-body', JSON.stringify(config)], {}, port);
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
    await until(async () => {
      if (child.exitCode !== null) throw new Error(`${name} ended by itself`);
      await fetch(server.origin);
    }, 100);
    return server;
  }

  /** An access token: a JWT signed by HMAC-SHA256 (RFC 7519). */
  static token({ identity, ...video }: LiveKitGrant): string {
    const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url');
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      iss: API_KEY,
      sub: identity,
      nbf: now - 10,
      exp: now + 600,
      video: { roomJoin: true, ...video },
    };
    const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`;
    return `${signed}.${createHmac('sha256', API_SECRET).update(signed).digest('base64url')}`;
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exited;
  }
}
