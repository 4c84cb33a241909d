import { asError, StreamKitError } from '../base/errors.js';
import type {
  DtlsListener,
  DtlsParameters,
  IceEndpoint,
  IceSocket,
  RelaySocket,
  RelayTransport,
} from './media-plane.js';
import type { SocketAddress } from './native-addon.js';
import { NativeIceSocket, type SocketUse } from './native-ice-socket.js';
import type { BoundSocket, NativePlaneHost } from './native-plane-host.js';
import { NativeRelaySocket } from './native-relay-socket.js';

/** One viewer's end of the sockets of a {@link NativePlaneHost}. */
export class NativeIceEndpoint implements IceEndpoint {
  #endpoint: number | undefined;
  #remote: { usernameFragment: string; password: string } | undefined;
  readonly #sockets = new Map<number, NativeIceSocket>();
  #consent: number | undefined;
  #closed = false;

  readonly #host: NativePlaneHost;
  readonly #tcpPort: number | undefined;
  readonly #onClosed: (endpoint: NativeIceEndpoint) => void;
  constructor(
    host: NativePlaneHost,
    tcpPort: number | undefined,
    onClosed: (endpoint: NativeIceEndpoint) => void,
  ) {
    this.#host = host;
    this.#tcpPort = tcpPort;
    this.#onClosed = onClosed;
  }

  /** What the plane knows it by. @throws StreamKitError `internal` before it has credentials, and after its end */
  get id(): number {
    if (this.#endpoint === undefined || this.#closed) {
      throw new StreamKitError('internal', 'The ICE endpoint is not open');
    }
    return this.#endpoint;
  }

  setLocalCredentials(usernameFragment: string, password: string): void {
    if (this.#closed) {
      return;
    }
    if (this.#endpoint !== undefined) {
      this.#host.plane.setLocalCredentials(this.#endpoint, usernameFragment, password);
      return;
    }
    this.#endpoint = this.#host.plane.createEndpoint(usernameFragment, password);
    this.#host.packetListeners.set(this.#endpoint, (socket, from, data) => {
      this.#onPacket(socket, from, data);
    });
    if (this.#remote !== undefined) {
      this.setRemoteCredentials(this.#remote.usernameFragment, this.#remote.password);
    }
  }

  setRemoteCredentials(usernameFragment: string, password: string): void {
    this.#remote = { usernameFragment, password };
    if (this.#endpoint !== undefined && !this.#closed) {
      this.#host.plane.setRemoteCredentials(this.#endpoint, usernameFragment, password);
    }
  }

  openSocket(address: string): IceSocket {
    return this.#open(address, this.#host.bind(address));
  }

  openTcpSocket(address: string): IceSocket | undefined {
    const bound = this.#tcpPort === undefined ? undefined : this.#host.findTcp(address, this.#tcpPort);
    return bound && this.#open(address, bound);
  }

  openRelaySocket(
    transport: RelayTransport,
    address: string,
    [serverAddress, port]: readonly [string, number],
    serverName: string,
  ): RelaySocket | undefined {
    const server = { address: serverAddress, port };
    const bound =
      this.#endpoint === undefined || this.#closed
        ? undefined
        : this.#host.openRelay(this.#endpoint, transport, address, server, serverName);
    if (bound === undefined) {
      return undefined;
    }
    const { socket } = bound;
    const use = { ...this.#useOf(socket), closed: () => void this.#sockets.delete(socket) };
    const opened = new NativeRelaySocket(this.#host, bound, use);
    this.#sockets.set(socket, opened);
    return opened;
  }

  #open(address: string, { socket, port }: BoundSocket): IceSocket {
    const opened = new NativeIceSocket(address, port, this.#useOf(socket));
    this.#sockets.set(socket, opened);
    return opened;
  }

  #useOf(socket: number): SocketUse {
    const { id } = this;
    return {
      transmit: (data, to) => {
        if (!this.#closed) {
          this.#host.plane.sendPacket(id, socket, to, data);
        }
      },
      keepConsent: (request, to, onLost) => {
        if (!this.#closed) {
          this.#forgetConsent();
          this.#consent = this.#host.plane.keepConsent(id, socket, to, request);
          this.#host.consentListeners.set(this.#consent, onLost);
        }
      },
    };
  }

  endConsent(): void {
    if (this.#endpoint !== undefined && this.#forgetConsent() && !this.#closed) {
      this.#host.plane.endConsent(this.#endpoint);
    }
  }

  startDtls({ role, certificate, fingerprints }: DtlsParameters, listener: DtlsListener): void {
    const { id } = this;
    const host = this.#host;
    host.useCertificate(certificate);
    host.dtlsListeners.set(id, listener);
    try {
      host.plane.startDtls(id, role, fingerprints);
    } catch (thrown) {
      const cause = asError(thrown);
      throw new StreamKitError('unprocessable', cause.message, { cause });
    }
  }

  sendDtls(data: Uint8Array): void {
    if (this.#endpoint !== undefined && !this.#closed) {
      this.#host.plane.sendDtls(this.#endpoint, data);
    }
  }

  close(): void {
    if (this.#closed) {
      return;
    }
    this.#closed = true;
    for (const socket of this.#sockets.values()) {
      socket.close();
    }
    this.#sockets.clear();
    if (this.#endpoint !== undefined) {
      this.#host.packetListeners.delete(this.#endpoint);
      this.#host.dtlsListeners.delete(this.#endpoint);
      this.#forgetConsent();
      this.#host.plane.closeEndpoint(this.#endpoint);
    }
    this.#onClosed(this);
  }

  /** @returns whether there was one. */
  #forgetConsent(): boolean {
    const consent = this.#consent;
    this.#consent = undefined;
    return consent !== undefined && this.#host.consentListeners.delete(consent);
  }

  #onPacket(socket: number, from: SocketAddress, data: Buffer): void {
    this.#sockets.get(socket)?.onPacket(data, from.address, from.port);
  }
}
