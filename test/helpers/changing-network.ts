import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';

/** One source port of the client and the port that the server sees of it. */
interface Flow {
  readonly outer: Socket;
  isCut: boolean;
}

/** What lies between clients and a server on 127.0.0.1: the server's port on another loopback address, as behind a NAT. */
export class ChangingNetwork {
  readonly #flows = new Map<number, Flow>();
  readonly #sockets: Socket[];
  /** Datagrams of clients on ways that are cut. */
  lost = 0;

  private constructor(
    private readonly inner: Socket,
    private readonly serverPort: number,
  ) {
    this.#sockets = [inner];
    inner.on('message', (data, from) => {
      this.#forward(data, from.port);
    });
  }

  /** @param address - where clients find the server: another of the loopback addresses. */
  static async open(address: string, serverPort: number): Promise<ChangingNetwork> {
    const inner = createSocket('udp4');
    inner.bind(serverPort, address);
    await once(inner, 'listening');
    return new ChangingNetwork(inner, serverPort);
  }

  /** Nothing passes any more between the client ports of now and the server. New ones are let through. */
  cut(): void {
    for (const flow of this.#flows.values()) flow.isCut = true;
  }

  async close(): Promise<void> {
    await Promise.all(
      this.#sockets.map((socket) => new Promise<void>((resolve) => socket.close(() => resolve()))),
    );
  }

  #forward(data: Buffer, clientPort: number): void {
    let flow = this.#flows.get(clientPort);
    if (flow === undefined) {
      flow = { outer: this.#openOuter(clientPort), isCut: false };
      this.#flows.set(clientPort, flow);
    }
    if (flow.isCut) this.lost += 1;
    else flow.outer.send(data, this.serverPort, '127.0.0.1');
  }

  #openOuter(clientPort: number): Socket {
    const outer = createSocket('udp4');
    this.#sockets.push(outer);
    outer.bind(0, '127.0.0.1');
    outer.on('message', (data) => {
      if (this.#flows.get(clientPort)?.isCut === false) this.inner.send(data, clientPort, '127.0.0.1');
    });
    return outer;
  }
}
