import type { IceSocket } from './media-plane.js';
import type { SocketAddress } from './native-addon.js';

/** What an endpoint does by one of its sockets. */
export interface SocketUse {
  readonly transmit: (data: Uint8Array, to: SocketAddress) => void;
  readonly keepConsent: (request: Uint8Array, to: SocketAddress, onLost: () => void) => void;
}

/** One viewer's part of a socket of the native plane. */
export class NativeIceSocket implements IceSocket {
  onPacket: IceSocket['onPacket'] = ignore;
  #closed = false;

  readonly #use: SocketUse;
  constructor(
    readonly address: string,
    readonly port: number,
    use: SocketUse,
  ) {
    this.#use = use;
  }

  protected get isClosed(): boolean {
    return this.#closed;
  }

  send(data: Uint8Array, address: string, port: number): void {
    if (!this.#closed) {
      this.#use.transmit(data, { address, port });
    }
  }

  keepConsent(request: Uint8Array, address: string, port: number, onLost: () => void): void {
    if (!this.#closed) {
      this.#use.keepConsent(request, { address, port }, onLost);
    }
  }

  close(): void {
    this.#closed = true;
    this.onPacket = ignore;
  }
}

function ignore(): void {
  // Nobody listens.
}
