import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';

const LOOPBACK = '127.0.0.1';

/** A UDP port that leads to another one. What comes back from there goes back to the sender. */
export class LossyPath {
  /** Drops every nth datagram that goes there; 0 drops none. */
  losesEvery = 0;
  #passed = 0;
  readonly #ways = new Map<number, Socket>();

  private constructor(
    private readonly socket: Socket,
    readonly port: number,
    target: number,
  ) {
    socket.on('message', (datagram, { port: from }) => {
      this.#passed += 1;
      if (this.losesEvery === 0 || this.#passed % this.losesEvery !== 0) {
        this.#wayOf(from).send(datagram, target, LOOPBACK);
      }
    });
  }

  static async open(target: number): Promise<LossyPath> {
    const socket = createSocket('udp4').bind(0, LOOPBACK);
    await once(socket, 'listening');
    return new LossyPath(socket, socket.address().port, target);
  }

  close(): void {
    this.socket.close();
    for (const way of this.#ways.values()) way.close();
  }

  #wayOf(from: number): Socket {
    const known = this.#ways.get(from);
    if (known !== undefined) return known;
    const way = createSocket('udp4');
    way.on('message', (datagram) => {
      this.socket.send(datagram, from, LOOPBACK);
    });
    // Nobody listens there any more.
    way.on('error', () => undefined);
    this.#ways.set(from, way);
    return way;
  }
}
