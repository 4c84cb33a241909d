import { classes, parseMessage, type Message } from 'werift';

import type { IceEndpoint, IceSocket } from '../../src/fanout/media-plane.js';

/** Of every {@link FakeSocket}. */
export const FAKE_PORT = 40_000;

/** A socket without a network: what is sent is kept, and what is to arrive is given to `onPacket`. */
export class FakeSocket implements IceSocket {
  readonly port = FAKE_PORT;
  readonly sent: { data: Uint8Array; to: string }[] = [];
  onPacket: IceSocket['onPacket'] = () => undefined;
  onRequest: (request: Message, port: number) => void = () => undefined;
  closed = false;
  consent: { request: Uint8Array; to: string; onLost: () => void } | undefined;

  constructor(readonly address: string) {}

  send(data: Uint8Array, address: string, port: number): void {
    this.sent.push({ data, to: `${address}:${port}` });
    const message = parseMessage(Buffer.from(data));
    if (message?.messageClass === classes.REQUEST) queueMicrotask(() => this.onRequest(message, port));
  }

  keepConsent(request: Uint8Array, address: string, port: number, onLost: () => void): void {
    this.consent = { request, to: `${address}:${port}`, onLost };
  }

  close(): void {
    this.closed = true;
  }
}

/** A media plane's part of one viewer's ICE, played. */
export class FakeEndpoint implements IceEndpoint {
  readonly local: string[] = [];
  readonly remote: string[] = [];
  readonly sockets: FakeSocket[] = [];
  readonly tcpSockets: FakeSocket[] = [];
  hasTcp = false;

  setLocalCredentials(usernameFragment: string, password: string): void {
    this.local.push(`${usernameFragment} ${password}`);
  }

  setRemoteCredentials(usernameFragment: string, password: string): void {
    this.remote.push(`${usernameFragment} ${password}`);
  }

  openSocket(address: string): IceSocket {
    const socket = new FakeSocket(address);
    this.sockets.push(socket);
    return socket;
  }

  openTcpSocket(address: string): IceSocket | undefined {
    if (!this.hasTcp) return undefined;
    const socket = new FakeSocket(address);
    this.tcpSockets.push(socket);
    return socket;
  }

  openRelaySocket(): undefined {
    // werift reaches TURN servers.
  }

  endConsent(): void {
    for (const socket of this.sockets) socket.consent = undefined;
  }

  startDtls(): void {
    // It goes on for ever.
  }

  sendDtls(): void {
    // There is no connection.
  }

  close(): void {
    // Nothing to close.
  }
}
