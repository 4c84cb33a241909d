/** What both kinds of sinks tell of the connection below them. */
interface ConnectionListener {
  onClosed(): void;
  onDrain(): void;
}

/** The connection below a sink, to a client that the test plays. */
export class FakeConnection<Listener extends ConnectionListener> {
  backlogBytes = 0;
  aborted = false;
  protected listener: Listener | undefined;

  listen(listener: Listener): void {
    this.listener = listener;
  }

  abort(): void {
    this.aborted = true;
    this.lose();
  }

  /** The client's connection goes away. */
  lose(): void {
    const { listener } = this;
    this.listener = undefined;
    listener?.onClosed();
  }

  /** The client has read all that waited. */
  drain(): void {
    this.backlogBytes = 0;
    this.listener?.onDrain();
  }
}
