import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';

import { LinkShaper } from '../helpers/link-shaper.js';

/** A NAT between a client and a server on loopback, whose outer address can change under them. */
export class RebindingNat {
  /** Which datagrams come through it, in both directions. */
  passes: (datagram: Buffer) => boolean = () => true;
  /** The link to the client. */
  readonly toClient = new LinkShaper();
  /** Datagrams from the server that still came to an outer address of before. */
  staleDatagrams = 0;
  private client: { address: string; port: number } | undefined;
  private readonly old: Socket[] = [];
  private isClosed = false;

  private constructor(
    private readonly inner: Socket,
    private outer: Socket,
    private readonly serverPort: number,
  ) {
    inner.on('message', (data, from) => {
      this.client = from;
      if (this.passes(data)) this.outer.send(data, this.serverPort, '127.0.0.1');
    });
    this.listen(outer);
  }

  static async open(serverPort: number): Promise<RebindingNat> {
    return new RebindingNat(await openSocket(), await openSocket(), serverPort);
  }

  /** What the client takes for the server's port. */
  get port(): number {
    return this.inner.address().port;
  }

  /** From now on the client comes from another port, and the old one takes nothing any more. */
  async rebind(): Promise<void> {
    this.old.push(this.outer);
    this.outer.removeAllListeners('message');
    this.outer.on('message', () => {
      this.staleDatagrams += 1;
    });
    this.outer = await openSocket();
    this.listen(this.outer);
  }

  /** From now on nothing passes, either way. */
  cut(): void {
    for (const socket of [this.inner, this.outer]) socket.removeAllListeners('message');
  }

  close(): void {
    this.isClosed = true;
    for (const socket of [this.inner, this.outer, ...this.old]) socket.close();
  }

  private listen(outer: Socket): void {
    outer.on('message', (data) => {
      const { client } = this;
      if (client === undefined || !this.passes(data)) return;
      this.toClient.pass(data.length, () => {
        if (!this.isClosed) this.inner.send(data, client.port, client.address);
      });
    });
  }
}

export async function openSocket(): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}
