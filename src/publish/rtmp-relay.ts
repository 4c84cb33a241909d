import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';

import type { EgressClient } from '../egress/egress-client.js';
import { shownOrigin } from '../protocol/publications.js';
import type { PushTarget } from './push-target.js';
import { RtmpConnectEdit } from './rtmp-connect-edit.js';

const LOOPBACK = '127.0.0.1';

/**
 * The way of FFmpeg to one RTMP server: it connects to a port of this machine, once, and gets to the address that was checked, over TLS
 * where that is asked for. It is also how a thread that waits in FFmpeg is let go.
 */
export class RtmpRelay {
  /** Beginning of the URL for FFmpeg. */
  readonly origin: string;
  readonly #server: Server;
  readonly #remote: Socket;
  #local: Socket | undefined;

  private constructor(server: Server, remote: Socket) {
    this.origin = `rtmp://${LOOPBACK}:${(server.address() as AddressInfo).port}`;
    this.#server = server;
    this.#remote = remote;
  }

  /** @throws as {@link EgressClient.dial}. */
  static async open(
    client: Pick<EgressClient, 'dial'>,
    target: PushTarget,
    signal: AbortSignal,
  ): Promise<RtmpRelay> {
    const remote = await client.dial(target.hostUrl, signal);
    const server = createServer();
    try {
      server.listen(0, LOOPBACK);
      await once(server, 'listening', { signal });
      const relay = new RtmpRelay(server, remote);
      server.once('connection', (local) => relay.#join(local, shownOrigin(target.url)));
      remote.once('close', () => relay.close());
      return relay;
    } catch (thrown) {
      remote.destroy();
      server.close();
      throw thrown;
    }
  }

  /** Idempotent. */
  close(): void {
    this.#server.close();
    this.#remote.destroy();
    this.#local?.destroy();
  }

  #join(local: Socket, shown: string): void {
    const edit = new RtmpConnectEdit(this.origin, shown);
    this.#server.close();
    this.#local = local;
    local.on('error', () => undefined);
    local.once('close', () => this.#remote.end());
    if (this.#remote.destroyed) local.destroy();
    local.pipe(edit).pipe(this.#remote).pipe(local);
  }
}
