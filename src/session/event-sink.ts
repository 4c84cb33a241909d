/** What an {@link EventSink} tells the one who writes to it. */
export interface EventSinkListener {
  /** What was waiting has gone out. */
  onDrain(): void;
  /** The connection is gone, from whichever side. Once. */
  onClosed(): void;
}

/** One open event stream to one client, as the session sees it; the HTTP room implements it. */
export interface EventSink {
  /** Bytes written and not yet taken by the operating system. */
  readonly backlogBytes: number;
  /**
   * Called once, before the first write. On a connection that is gone already `onClosed` follows, but never
   * before this returns.
   */
  listen(listener: EventSinkListener): void;
  /** Writes whole events. What is written to a closed stream is dropped. */
  write(events: Uint8Array): void;
  /** Sends what waits, then closes; a client that takes nothing is cut off after a while. Idempotent. */
  end(): void;
  /** Closes at once; what waits is lost. Idempotent. */
  abort(): void;
}
