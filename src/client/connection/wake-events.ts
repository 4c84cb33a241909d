/** Why waiting makes no sense any more: the network is back, or the page is in front of the user again. */
export type WakeReason = 'online' | 'shown';

/**
 * Tells when a connection that waits should try at once. Timers of hidden pages are slowed down to one a minute, and
 * those of frozen ones stand still, so that a wait that was begun in the background may be long overdue.
 */
export class WakeEvents {
  readonly #abort = new AbortController();

  /** Listens until {@link close}. Outside of a browser nothing ever happens. */
  constructor(onWake: (reason: WakeReason) => void) {
    const { signal } = this.#abort;
    if (typeof window === 'undefined' || typeof document === 'undefined') return;
    window.addEventListener('online', () => onWake('online'), { signal });
    // Every page is shown once when it is loaded; only one from the back/forward cache has slept.
    window.addEventListener('pageshow', ({ persisted }) => persisted && onWake('shown'), { signal });
    document.addEventListener('visibilitychange', () => document.hidden || onWake('shown'), { signal });
  }

  /** No listener is left. Idempotent. */
  close(): void {
    this.#abort.abort();
  }
}
