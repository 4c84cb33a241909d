import type { RelaySocket } from './media-plane.js';
import type { OpenedRelay } from './native-addon.js';
import { NativeIceSocket, type SocketUse } from './native-ice-socket.js';
import type { NativePlaneHost } from './native-plane-host.js';

/** A socket of the native plane for one allocation at a TURN server. */
export class NativeRelaySocket extends NativeIceSocket implements RelaySocket {
  onAnswer: RelaySocket['onAnswer'] = () => undefined;
  onEnded: RelaySocket['onEnded'] = () => undefined;

  readonly #host: NativePlaneHost;
  readonly #socket: number;
  readonly #onClosed: () => void;
  constructor(
    host: NativePlaneHost,
    { socket, address, port }: OpenedRelay,
    use: SocketUse & { readonly closed: () => void },
  ) {
    super(address, port, use);
    this.#host = host;
    this.#socket = socket;
    this.#onClosed = use.closed;
    host.relayListeners.set(socket, this);
  }

  sendToServer(request: Uint8Array): void {
    if (!this.isClosed) this.#host.plane.sendToRelay(this.#socket, request);
  }

  bindChannel(channel: number, address: string, port: number): void {
    if (!this.isClosed) this.#host.plane.bindChannel(this.#socket, channel, { address, port });
  }

  unbindChannel(channel: number): void {
    if (!this.isClosed) this.#host.plane.unbindChannel(this.#socket, channel);
  }

  override close(): void {
    if (this.isClosed) return;
    super.close();
    this.#host.relayListeners.delete(this.#socket);
    this.#host.plane.closeRelay(this.#socket);
    this.#onClosed();
  }
}
