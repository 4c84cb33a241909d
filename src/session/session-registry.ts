import type { Timer } from '../clock.js';
import type { ErrorCode } from '../errors.js';
import { StreamKitError } from '../errors.js';
import type { SessionParts, SessionSettings } from './session-parts.js';
import type { SessionRequest } from './session-request.js';
import type { StreamSessionState } from './session-state.js';
import { Session } from './session.js';

export interface SessionRegistryParameters {
  readonly parts: SessionParts;
  readonly settings: SessionSettings;
  readonly maxSessions: number;
  /** A session failed. */
  onSessionError(error: StreamKitError, streamId: string): void;
}

/** How long a session that failed can still be asked why, ms. */
const FAILED_SESSION_KEPT_MS = 30_000;
/** Most failed sessions kept; beyond it the oldest is forgotten. */
const MAX_FAILED_SESSIONS = 100;

/** All sessions of one router: how many there may be, and which can be found under their id. */
export class SessionRegistry {
  readonly #parameters: SessionRegistryParameters;
  /** By id, what a client can ask for. */
  readonly #found = new Map<string, Session>();
  /** Those that may still have processes, found or not: they are what `maxSessions` counts. */
  readonly #occupying = new Set<Session>();
  readonly #failed = new Map<Session, Timer>();
  #closed = false;

  constructor(parameters: SessionRegistryParameters) {
    this.#parameters = parameters;
  }

  /** Another session can be made. */
  get hasRoom(): boolean {
    return !this.#closed && this.#occupying.size < this.#parameters.maxSessions;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** As their documents are now, also of those that ended and still have something open or can still be asked why. */
  states(): Readonly<StreamSessionState>[] {
    return [...new Set([...this.#occupying, ...this.#found.values()])].map(({ state }) => state);
  }

  /**
   * Makes a session and begins to launch it.
   *
   * @throws StreamKitError `at_capacity`.
   */
  create(request: SessionRequest): Session {
    const { parts, settings, maxSessions } = this.#parameters;
    if (this.#closed) {
      const headers = { 'Retry-After': '10' };
      throw new StreamKitError('at_capacity', 'The server is shutting down', { status: 503, headers });
    }
    if (this.#occupying.size >= maxSessions) {
      const headers = { 'Retry-After': '5' };
      throw new StreamKitError('at_capacity', 'All sessions of this server are taken', { headers });
    }
    const createdAtUs = parts.clock.nowUs();
    let code: ErrorCode | undefined;
    const session = new Session(parts.ids.streamId(), request, parts, settings, {
      onFailed: (failed, error) => {
        code = error.code;
        this.#parameters.onSessionError(error, failed.streamId);
      },
      onEnded: (ended, reason) => {
        const ageMs = (parts.clock.nowUs() - createdAtUs) / 1000;
        const { streamId } = ended;
        parts.observe('session:end', { streamId, reason, ageMs, ...(code === undefined ? {} : { code }) });
        this.#occupying.delete(ended);
        // One that was deleted while it failed is not to be found again.
        if (reason === 'error' && this.#found.has(ended.streamId) && !this.#closed) this.#keepFailed(ended);
        else this.#found.delete(ended.streamId);
      },
    });
    this.#found.set(session.streamId, session);
    this.#occupying.add(session);
    parts.observe('session:create', { streamId: session.streamId });
    session.launch();
    return session;
  }

  find(streamId: string): Session | undefined {
    return this.#found.get(streamId);
  }

  /** @throws StreamKitError `no_such_session`. */
  get(streamId: string): Session {
    const session = this.find(streamId);
    if (session === undefined) throw new StreamKitError('no_such_session', 'There is no such session');
    return session;
  }

  /**
   * Ends a session and forgets it. Resolves when everything it had is gone; asking again meanwhile waits for the
   * same.
   *
   * @throws StreamKitError `no_such_session`.
   */
  async delete(streamId: string): Promise<void> {
    const session = this.get(streamId);
    await session.close('deleted');
    this.#forget(session);
  }

  /** Ends every session and takes no new ones. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#occupying].map((session) => session.close('shutdown')));
    for (const session of [...this.#found.values()]) this.#forget(session);
  }

  #keepFailed(session: Session): void {
    const timer = this.#parameters.parts.clock.after(FAILED_SESSION_KEPT_MS, () => this.#forget(session));
    this.#failed.set(session, timer);
    const [oldest] = this.#failed.keys();
    if (this.#failed.size > MAX_FAILED_SESSIONS && oldest !== undefined) this.#forget(oldest);
  }

  #forget(session: Session): void {
    this.#failed.get(session)?.cancel();
    this.#failed.delete(session);
    this.#found.delete(session.streamId);
  }
}
