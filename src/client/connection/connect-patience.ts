/** How long WebRTC may take from the server's offer to a connection before another way is tried as well. */
const CONNECT_MS = 5000;

/** Says when WebRTC takes too long to come up, as it does where UDP is blocked. */
export class ConnectPatience {
  readonly #onOver: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #connected = false;

  /** @param onOver - called for each offer that leads to no connection in time, while there is one to wait for. */
  constructor(onOver: () => void) {
    this.#onOver = onOver;
  }

  /** The server's offer is here. One that follows it does not begin the wait anew. */
  offered(): void {
    if (!this.#connected) this.#timer ??= setTimeout(() => this.#over(), CONNECT_MS);
  }

  /** Without signalling nothing can come up, and there is nothing to be learnt of UDP. */
  hold(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  stateChanged(state: RTCPeerConnectionState): void {
    this.#connected = state === 'connected';
    if (this.#connected) this.hold();
    // Of one that has stood too: the restart of ICE, which comes long before this, has not helped.
    else if (state === 'failed') this.#over();
  }

  #over(): void {
    this.hold();
    this.#onOver();
  }
}
