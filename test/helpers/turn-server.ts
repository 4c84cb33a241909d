import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';

import type { Certificate } from './certificate.js';
import { PATIENCE_MS } from './patience.js';
import { turnRestCredentials } from '../../src/options/turn-rest.js';

const SECRET = 'north-by-northwest';
const LEAST_RELAY_PORT = 41_000;
const MOST_RELAY_PORT = 41_999;
const LEAST_PORT = 20_000;
const MOST_PORT = 29_999;

/** coturn, on the loopback address. */
export class TurnServer {
  static readonly isInstalled = spawnSync('turnserver', ['-h'], { stdio: 'ignore' }).error === undefined;
  #log = '';

  private constructor(
    private readonly child: ChildProcess,
    readonly port: number,
    readonly tlsPort: number,
    private readonly directory: string,
  ) {
    child.stdout?.on('data', (data: Buffer) => (this.#log += data.toString()));
  }

  /** @param certificate - for TLS; without one it speaks none */
  static async start(certificate?: Certificate): Promise<TurnServer> {
    const port = await freePort();
    const tlsPort = await freePort();
    const directory = await mkdtemp(join(tmpdir(), 'coturn-'));
    const [certPath, keyPath] = [join(directory, 'cert.pem'), join(directory, 'key.pem')];
    if (certificate !== undefined) {
      await writeFile(certPath, certificate.cert);
      await writeFile(keyPath, certificate.key);
    }
    const tls =
      certificate === undefined
        ? ['--no-tls']
        : ['--tls-listening-port', String(tlsPort), '--cert', certPath, '--pkey', keyPath];
    const child = spawn(
      'turnserver',
      [
        ...['-n', '--verbose', '--log-file', 'stdout', '--simple-log', '--pidfile', join(directory, 'pid')],
        ...['--listening-ip', '127.0.0.1', '--listening-port', String(port), '--relay-ip', '127.0.0.1'],
        ...['--min-port', String(LEAST_RELAY_PORT), '--max-port', String(MOST_RELAY_PORT)],
        ...['--allow-loopback-peers', '--no-cli'],
        ...[...tls, '--no-dtls', '--relay-threads', '1', '--db', join(directory, 'db')],
        ...['--realm', 'test', '--use-auth-secret', '--static-auth-secret', SECRET],
      ],
      { cwd: directory, stdio: ['ignore', 'pipe', 'ignore'] },
    );
    const server = new TurnServer(child, port, tlsPort, directory);
    await server.#listening();
    return server;
  }

  url(transport: 'udp' | 'tcp' | 'tls', host = '127.0.0.1'): string {
    if (transport === 'tls') return `turns:${host}:${this.tlsPort}`;
    return `turn:127.0.0.1:${this.port}?transport=${transport}`;
  }

  get stunUrl(): string {
    return `stun:127.0.0.1:${this.port}`;
  }

  /** As the option `iceServers` takes it. */
  entry(transport: 'udp' | 'tcp'): { urls: string; turnRest: { secret: string; lifetimeSeconds: number } } {
    return { urls: this.url(transport), turnRest: { secret: SECRET, lifetimeSeconds: 600 } };
  }

  /** With credentials, as an ICE agent takes it. */
  server(
    transport: 'udp' | 'tcp' | 'tls',
    host?: string,
  ): { urls: string; username: string; credential: string } {
    return { urls: this.url(transport, host), ...turnRestCredentials({ secret: SECRET }) };
  }

  /** Relay addresses that it has given out for these credentials, each of which only one test has, and that were given back. */
  allocationsOf({ username }: { readonly username: string }): { made: number; ended: number } {
    const lines = this.#log.split('\n').filter((line) => line.includes(`<${username}>`));
    const count = (pattern: RegExp): number => lines.filter((line) => pattern.test(line)).length;
    return { made: count(/: new, realm=/), ended: count(/: closed \(/) };
  }

  static isRelayPort(port: number): boolean {
    return port >= LEAST_RELAY_PORT && port <= MOST_RELAY_PORT;
  }

  async stop(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      const exited = once(this.child, 'exit');
      this.child.kill('SIGKILL');
      await exited;
    }
    await rm(this.directory, { recursive: true, force: true });
  }

  async #listening(): Promise<void> {
    for (const end = performance.now() + PATIENCE_MS; performance.now() < end;) {
      const socket = createConnection({ host: '127.0.0.1', port: this.port });
      const connected = await once(socket, 'connect').then(
        () => true,
        () => false,
      );
      socket.destroy();
      if (connected) return;
      if (this.child.exitCode !== null) break;
      await setTimeout(25);
    }
    await this.stop();
    throw new Error(`coturn does not listen: ${this.#log}`);
  }
}

/**
 * A port that is free for UDP and for TCP. It is below those that systems give to outgoing connections (from 32768 on, Linux):
 * one of these may be taken for TCP while it is free for UDP.
 */
async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const port = randomInt(LEAST_PORT, MOST_PORT + 1);
    const datagrams = createSocket('udp4');
    const connections = createServer();
    try {
      datagrams.bind(port, '127.0.0.1');
      connections.listen(port, '127.0.0.1');
      await Promise.all([once(datagrams, 'listening'), once(connections, 'listening')]);
      return port;
    } catch {
      // Somebody has it.
    } finally {
      datagrams.close();
      connections.close();
    }
  }
  throw new Error('No port is free for UDP and TCP.');
}
