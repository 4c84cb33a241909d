import type { Duplex } from 'node:stream';

import type { WebSocket } from 'ws';

import type { Clock, Timer } from '../base/clock.js';
import type { MessageSink, MessageSinkListener } from '../session/message-sink.js';

/** A client that answers no ping for two of these is gone, ms. */
const PING_INTERVAL_MS = 15_000;
/** What a ping carries whose answer is reported; a pong may also come unasked (RFC 6455 section 5.5.3). */
const DELIVERY_PING = 'd';
/** What waits when a connection is closed may take this long to go out, ms. */
const CLOSE_TIMEOUT_MS = 2000;

/** One accepted WebSocket. */
export class WebSocketSink implements MessageSink {
  readonly #webSocket: WebSocket;
  readonly #socket: Duplex;
  readonly #clock: Clock;
  #isAlive = true;
  #closeTimer: Timer | undefined;

  constructor(webSocket: WebSocket, socket: Duplex, clock: Clock) {
    this.#webSocket = webSocket;
    this.#socket = socket;
    this.#clock = clock;
  }

  get backlogBytes(): number {
    return this.#webSocket.bufferedAmount;
  }

  listen(listener: MessageSinkListener): void {
    const webSocket = this.#webSocket;
    const pings = this.#clock.every(PING_INTERVAL_MS, () => {
      if (this.#isAlive) webSocket.ping();
      else webSocket.terminate();
      this.#isAlive = false;
    });
    // What is wrong with a connection shows in its end.
    webSocket.on('error', () => undefined);
    webSocket.on('pong', (data) => {
      this.#isAlive = true;
      if (data.toString() === DELIVERY_PING) listener.onPong();
    });
    webSocket.on('message', (data, isBinary) => {
      this.#isAlive = true;
      if (isBinary) listener.onBinary();
      else listener.onText((data as Buffer).toString());
    });
    this.#socket.on('drain', () => listener.onDrain());
    const onClosed = (): void => {
      pings.cancel();
      this.#closeTimer?.cancel();
      listener.onClosed();
    };
    if (webSocket.readyState === webSocket.CLOSED) queueMicrotask(onClosed);
    else webSocket.once('close', onClosed);
  }

  sendText(text: string): void {
    this.#send(text);
  }

  sendBinary(bytes: Uint8Array): void {
    this.#send(bytes);
  }

  ping(): void {
    if (this.#webSocket.readyState !== this.#webSocket.OPEN) return;
    this.#webSocket.ping(DELIVERY_PING, undefined, () => undefined);
  }

  close(code: number, reason: string): void {
    if (this.#closeTimer !== undefined || this.#webSocket.readyState === this.#webSocket.CLOSED) return;
    this.#closeTimer = this.#clock.after(CLOSE_TIMEOUT_MS, () => this.#webSocket.terminate());
    this.#webSocket.close(code, reason);
  }

  abort(): void {
    this.#webSocket.terminate();
  }

  #send(data: string | Uint8Array): void {
    if (this.#webSocket.readyState !== this.#webSocket.OPEN) return;
    // Without a callback an error while it is sent would be thrown.
    this.#webSocket.send(data, () => undefined);
  }
}
