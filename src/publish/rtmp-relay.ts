import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';

import type { Clock } from '../base/clock.js';
import type { EgressClient } from '../egress/egress-client.js';
import { shownOrigin } from '../protocol/publications.js';
import type { PushTarget } from './push-target.js';
import { RtmpConnectEdit } from './rtmp-connect-edit.js';

const LOOPBACK = '127.0.0.1';
/** FFmpeg reads all that a server sends, and a server that is published to has little to say: at most this much per minute. */
const MAX_ANSWER_BYTES = 1024 * 1024;
const MINUTE_US = 60_000_000;

/**
 * Connects FFmpeg to one RTMP server through a loopback port, which takes one connection: to the address that was checked, over TLS for
 * `rtmps`. Closing it also frees a thread that waits in FFmpeg.
 */
export class RtmpRelay {
  /** Beginning of the URL for FFmpeg. */
  readonly origin: string;
  readonly #server: Server;
  readonly #remote: Socket;
  readonly #clock: Pick<Clock, 'nowUs'>;
  #local: Socket | undefined;
  #minuteStartUs = -Infinity;
  #answerBytes = 0;

  private constructor(server: Server, remote: Socket, clock: Pick<Clock, 'nowUs'>) {
    this.origin = `rtmp://${LOOPBACK}:${(server.address() as AddressInfo).port}`;
    this.#server = server;
    this.#remote = remote;
    this.#clock = clock;
  }

  /** @throws as {@link EgressClient.dial}. */
  static async open(
    client: Pick<EgressClient, 'dial'>,
    target: PushTarget,
    signal: AbortSignal,
    clock: Pick<Clock, 'nowUs'>,
  ): Promise<RtmpRelay> {
    const remote = await client.dial(target.hostUrl, signal);
    const server = createServer();
    try {
      server.listen(0, LOOPBACK);
      await once(server, 'listening', { signal });
      const relay = new RtmpRelay(server, remote, clock);
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
    this.#remote.on('data', (bytes: Buffer) => this.#countAnswer(bytes.byteLength));
    local.pipe(edit).pipe(this.#remote).pipe(local);
  }

  #countAnswer(bytes: number): void {
    const nowUs = this.#clock.nowUs();
    if (nowUs - this.#minuteStartUs >= MINUTE_US) {
      this.#minuteStartUs = nowUs;
      this.#answerBytes = 0;
    }
    this.#answerBytes += bytes;
    if (this.#answerBytes > MAX_ANSWER_BYTES) this.close();
  }
}
