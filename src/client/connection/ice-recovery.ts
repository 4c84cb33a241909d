/** What an {@link IceRecovery} asks of its owner. */
export interface IceRecoveryListener {
  /** Ask the server for an offer with new ICE credentials. */
  onRestartWanted(): void;
  /** Restarts did not help; media will not come over this peer. At most once, and nothing comes after it. */
  onGaveUp(): void;
}

/** A short loss of packets heals by itself; the W3C calls `disconnected` transient. */
const DISCONNECTED_GRACE_MS = 3000;
/** Long enough for the server's offer, the answer and the checks of a slow network. */
const CONNECT_TIMEOUT_MS = 12_000;
/** After a lost event stream the server sends an offer that was on it again: to be awaited before asking anew. */
const RESENT_OFFER_MS = 1000;
/** An offer that is on its way already is a reason to refuse a restart; one that has not come by now will not. */
const REFUSED_GRACE_MS = 2000;
const MAX_RESTARTS = 3;

/** Decides from the ICE states of one peer when to restart ICE and when to give up. */
export class IceRecovery {
  readonly #listener: IceRecoveryListener;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** The pair in use is silent, and may yet heal. */
  #healing = false;
  #restarts = 0;
  #connected = false;
  #closed = false;
  #signalingUp = true;
  /** A restart fell due while there was no way to ask for it. */
  #restartDue = false;

  constructor(listener: IceRecoveryListener) {
    this.#listener = listener;
  }

  /** An offer came or was answered: from here on a connection is due. */
  expectConnection(): void {
    this.#restartDue = false;
    if (!this.#connected) this.#restartAfter(CONNECT_TIMEOUT_MS);
  }

  /** The event stream broke. Offers could not arrive, so restarts wait and do not count. */
  signalingLost(): void {
    this.#signalingUp = false;
  }

  /** The event stream is back: what was posted or offered meanwhile may be lost. */
  signalingRestored(): void {
    this.#signalingUp = true;
    if (!this.#connected) {
      if (this.#restarts > 0) this.#restartAfter(RESENT_OFFER_MS);
      else if (this.#restartDue) this.#restartAfter(0);
    }
    this.#restartDue = false;
  }

  /** The server will not restart ICE: it has given the peer up, or an offer is on its way. */
  restartRefused(): void {
    if (!this.#connected) this.#after(REFUSED_GRACE_MS, () => this.#giveUp());
  }

  /** The network has changed, or the page is back: a pair that is silent will not heal by itself. */
  hurry(): void {
    if (this.#healing) this.#restartAfter(0);
  }

  stateChanged(state: RTCIceConnectionState): void {
    switch (state) {
      case 'connected':
      case 'completed':
        this.#connected = true;
        this.#restarts = 0;
        this.#restartDue = false;
        this.#cancel();
        break;
      case 'disconnected':
        this.#connected = false;
        this.#restartAfter(DISCONNECTED_GRACE_MS);
        this.#healing = true;
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
    this.#after(delayMs, () => this.#restart());
  }

  #after(delayMs: number, work: () => void): void {
    this.#cancel();
    if (!this.#closed) this.#timer = setTimeout(work, delayMs);
  }

  #restart(): void {
    this.#healing = false;
    if (!this.#signalingUp) {
      this.#restartDue = true;
      return;
    }
    if (this.#restarts >= MAX_RESTARTS) {
      this.#giveUp();
      return;
    }
    this.#restarts++;
    this.#restartAfter(CONNECT_TIMEOUT_MS);
    this.#listener.onRestartWanted();
  }

  #giveUp(): void {
    if (this.#closed) return;
    this.close();
    this.#listener.onGaveUp();
  }

  #cancel(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#healing = false;
  }
}
