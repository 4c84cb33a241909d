/** What a {@link MessageSink} tells the one who writes to it. */
export interface MessageSinkListener {
  /** A text message of the client. */
  onText(text: string): void;
  /** A binary message of the client; none is expected. */
  onBinary(): void;
  /** A ping has come back, and with it all that was sent before it has arrived. In the order of the pings. */
  onPong(): void;
  /** Some of what was waiting has gone out. */
  onDrain(): void;
  /** The connection is gone, from whichever side. Once. */
  onClosed(): void;
}

/** One open WebSocket to one client, as the session sees it; the HTTP room implements it. */
export interface MessageSink {
  /** Bytes written and not yet taken by the operating system. */
  readonly backlogBytes: number;
  /**
   * Called once, before the first message is sent. On a connection that is gone already `onClosed` follows, but never
   * before this returns.
   */
  listen(listener: MessageSinkListener): void;
  /** What is sent to a closed connection is dropped. */
  sendText(text: string): void;
  /** The bytes must not change afterwards. */
  sendBinary(bytes: Uint8Array): void;
  /** Asks the client to answer (RFC 6455 section 5.5.2). */
  ping(): void;
  /**
   * Sends what waits, then closes; a client that takes nothing is cut off after a while. Idempotent.
   *
   * @param code - RFC 6455 section 7.4.1.
   * @param reason - at most 123 bytes.
   */
  close(code: number, reason: string): void;
  /** Closes at once; what waits is lost. Idempotent. */
  abort(): void;
}
