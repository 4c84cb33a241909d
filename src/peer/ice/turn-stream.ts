import { connect, isIP, type AddressInfo, type Socket } from 'node:net';
import tls from 'node:tls';

import { type Address } from '../werift/werift-ice-connection.js';

/** What may wait in a connection to a relay, bytes, about half a second of video: beyond it datagrams are dropped. */
const MAX_WAITING_BYTES = 512 * 1024;

/**
 * A connection to a TURN server over TCP or TLS as werift wants its transports. Its own ones (0.24.4) keep whatever the
 * network does not take, however much that is, and open a new connection where the server closes theirs, though the
 * allocation has gone with the old one; where that is refused the rejection is nobody's and ends the process.
 */
export class TurnStream {
  onData: (data: Buffer, from: Address) => void = () => undefined;
  closed = false;
  /** Datagrams that the connection had no room for. */
  dropped = 0;

  readonly #socket: Socket;
  readonly #peer: Address;
  private constructor(
    readonly type: 'tcp' | 'tls',
    socket: Socket,
    peer: Address,
  ) {
    this.#socket = socket;
    this.#peer = peer;
    socket.setNoDelay(true);
    socket.on('data', (data: Buffer) => this.onData(data, this.#peer));
    socket.on('close', () => {
      this.closed = true;
    });
  }

  /**
   * @param host - where the server's certificate is for a name, that.
   * @param signal - gives the attempt up.
   */
  static async open(
    type: 'tcp' | 'tls',
    [address, port]: Address,
    host: string,
    signal: AbortSignal,
  ): Promise<TurnStream> {
    const socket =
      type === 'tcp'
        ? connect({ host: address, port })
        : tls.connect({
            host: address,
            port,
            ...(isIP(host) === 0 ? { servername: host } : {}),
            // RFC 7443.
            ALPNProtocols: ['stun.turn'],
          });
    const onAbort = (): void => void socket.destroy(new Error('no answer in time'));
    signal.addEventListener('abort', onAbort);
    try {
      await new Promise<void>((resolve, reject) => {
        // It stays: what goes wrong later shows as `close`.
        socket.on('error', reject);
        socket.once(type === 'tcp' ? 'connect' : 'secureConnect', resolve);
      });
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
    return new TurnStream(type, socket, [address, port]);
  }

  get address(): AddressInfo {
    return this.#socket.address() as AddressInfo;
  }

  readonly send = (data: Buffer): Promise<void> => {
    if (this.closed || this.#socket.writableLength > MAX_WAITING_BYTES) this.dropped += 1;
    else this.#socket.write(data);
    return Promise.resolve();
  };

  readonly close = (): Promise<void> => {
    this.closed = true;
    this.#socket.destroySoon();
    return Promise.resolve();
  };
}
