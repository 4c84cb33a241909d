import type { AddressInfo } from 'node:net';

import type { RelaySocket } from '../../fanout/media-plane.js';
import type { Address } from '../werift/werift-ice-connection.js';

/** A socket of the media plane as werift wants the transports of its requests to a TURN server. */
export class TurnSocket {
  /** Over TCP and TLS as well: for 'tcp' werift would find and pad the messages of a stream, which the media plane does. */
  readonly type = 'udp';
  onData: (data: Buffer, from: Address) => void = () => undefined;
  closed = false;

  readonly #socket: RelaySocket;
  /** @param server - where its answers come from */
  constructor(socket: RelaySocket, server: Address) {
    this.#socket = socket;
    socket.onAnswer = (message) => this.onData(message, server);
  }

  get address(): AddressInfo {
    const { address, port } = this.#socket;
    return { address, port, family: address.includes(':') ? 'IPv6' : 'IPv4' };
  }

  readonly send = (data: Buffer): Promise<void> => {
    if (!this.closed) this.#socket.sendToServer(data);
    return Promise.resolve();
  };

  readonly close = (): Promise<void> => {
    this.closed = true;
    this.#socket.close();
    return Promise.resolve();
  };
}
