import { isIPv4 } from 'node:net';

import { StunProtocol } from 'werift';

import type { IceSocket } from '../../fanout/media-plane.js';
import type { Address } from './werift-ice-connection.js';

/** What werift takes for a UDP socket of its own: one viewer's part of a socket that all viewers share, of UDP or of TCP. */
export class SharedTransport {
  readonly type = 'udp';
  readonly socketType: 'udp4' | 'udp6';
  onData: (data: Buffer, from: Address) => void = () => undefined;
  closed = false;

  readonly #socket: IceSocket;
  constructor(socket: IceSocket) {
    this.socketType = isIPv4(socket.address) ? 'udp4' : 'udp6';
    this.#socket = socket;
    socket.onPacket = (data, address, port) => {
      this.onData(data, [address, port]);
    };
  }

  get address(): { address: string; port: number; family: string } {
    return { address: this.host, port: this.port, family: this.socketType === 'udp4' ? 'IPv4' : 'IPv6' };
  }

  get host(): string {
    return this.#socket.address;
  }

  get port(): number {
    return this.#socket.port;
  }

  readonly send = (data: Buffer, to?: Address): Promise<void> => {
    if (!this.closed && to !== undefined) {
      this.#socket.send(data, ...to);
    }
    return Promise.resolve();
  };

  keepConsent(request: Uint8Array, to: Address, onLost: () => void): void {
    this.#socket.keepConsent(request, ...to, onLost);
  }

  readonly close = (): Promise<void> => {
    this.closed = true;
    this.#socket.close();
    return Promise.resolve();
  };
}

/** What werift takes for a local socket, over one of the media plane's. */
export function stunOver(socket: IceSocket): StunProtocol {
  const protocol = new StunProtocol();
  const transport = new SharedTransport(socket);
  const receiver = protocol as unknown as { datagramReceived(data: Buffer, from: Address): void };
  transport.onData = (data, from) => receiver.datagramReceived(data, from);
  protocol.transport = transport as unknown as StunProtocol['transport'];
  return protocol;
}
