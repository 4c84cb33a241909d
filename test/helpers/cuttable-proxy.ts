import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** A TCP proxy that can be cut like a cable: what is open is dropped, what is new refused. */
export class CuttableProxy {
  readonly origin: string;
  /** Connections so far. */
  accepted = 0;
  readonly #sockets = new Set<Socket>();
  readonly #target: number;
  readonly #port: number;
  #server: Server;

  private constructor(server: Server, target: number) {
    this.#server = server;
    this.#target = target;
    this.#port = (server.address() as AddressInfo).port;
    this.origin = `http://127.0.0.1:${this.#port}`;
    this.#listen(server);
  }

  /** @param targetOrigin - such as `http://127.0.0.1:3000`. */
  static async open(targetOrigin: string): Promise<CuttableProxy> {
    return new CuttableProxy(await listening(0), Number(new URL(targetOrigin).port));
  }

  /** The client behind it reads nothing, until `resume`. */
  pause(): void {
    for (const socket of this.#sockets) socket.pause();
  }

  resume(): void {
    for (const socket of this.#sockets) socket.resume();
  }

  /** What is open is dropped; what is new comes through. */
  drop(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async cut(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.drop();
    await closed;
  }

  async restore(): Promise<void> {
    this.#server = await listening(this.#port);
    this.#listen(this.#server);
  }

  async close(): Promise<void> {
    if (this.#server.listening) await this.cut();
  }

  #listen(server: Server): void {
    server.on('connection', (near) => {
      this.accepted += 1;
      const far = connect(this.#target, '127.0.0.1');
      for (const [socket, other] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(socket);
        socket.on('data', (data) => other.write(data));
        socket.on('error', () => other.destroy());
        socket.on('close', () => {
          this.#sockets.delete(socket);
          other.destroy();
        });
      }
    });
  }
}

async function listening(port: number): Promise<Server> {
  const server = createServer();
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server;
}
