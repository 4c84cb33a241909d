/** What an {@link IceRecovery} asks of its owner. */
export interface IceRecoveryListener {
  /** Ask the server for an offer with new ICE credentials. */
  onRestartWanted(): void;
  /** Restarts did not help; media will not come over this peer. */
  onGaveUp(): void;
}

/** A short loss of packets heals by itself; the W3C calls `disconnected` transient. */
const DISCONNECTED_GRACE_MS = 3000;
/** Long enough for the server's offer, the answer and the checks of a slow network. */
const CONNECT_TIMEOUT_MS = 15_000;
const MAX_RESTARTS = 3;

/** Decides from the ICE states of one peer when to restart ICE and when to give up. */
export class IceRecovery {
  readonly #listener: IceRecoveryListener;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #restarts = 0;
  #connected = false;
  #closed = false;
  #signalingUp = true;
  /** A restart fell due while there was no way to ask for it. */
  #restartDue = false;

  constructor(listener: IceRecoveryListener) {
    this.#listener = listener;
  }

  /** An offer was answered: from here on a connection is due. */
  expectConnection(): void {
    if (!this.#connected) this.#restartAfter(CONNECT_TIMEOUT_MS);
  }

  /** The event stream broke. Offers could not arrive, so restarts wait and do not count. */
  signalingLost(): void {
    this.#signalingUp = false;
  }

  /** The event stream is back: what was posted or offered meanwhile may be lost. */
  signalingRestored(): void {
    this.#signalingUp = true;
    if (!this.#connected && (this.#restartDue || this.#restarts > 0)) this.#restartAfter(0);
    this.#restartDue = false;
  }

  stateChanged(state: RTCIceConnectionState): void {
    switch (state) {
      case 'connected':
      case 'completed':
        this.#connected = true;
        this.#restarts = 0;
        this.#cancel();
        break;
      case 'disconnected':
        this.#connected = false;
        this.#restartAfter(DISCONNECTED_GRACE_MS);
        break;
      case 'failed':
        this.#connected = false;
        this.#restartAfter(0);
        break;
      case 'new':
      case 'checking':
      case 'closed':
        break;
    }
  }

  /** Idempotent; no timer is left. */
  close(): void {
    this.#closed = true;
    this.#cancel();
  }

  #restartAfter(delayMs: number): void {
    this.#cancel();
    if (this.#closed) return;
    this.#timer = setTimeout(() => this.#restart(), delayMs);
  }

  #restart(): void {
    if (!this.#signalingUp) {
      this.#restartDue = true;
      return;
    }
    if (this.#restarts >= MAX_RESTARTS) {
      this.close();
      this.#listener.onGaveUp();
      return;
    }
    this.#restarts++;
    this.#restartAfter(CONNECT_TIMEOUT_MS);
    this.#listener.onRestartWanted();
  }

  #cancel(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
