import type { Timer } from '../clock.js';
import type { ErrorCode } from '../errors.js';
import { StreamKitError } from '../errors.js';
import type { Caller } from './caller.js';
import { callerBindings } from './caller.js';
import type { SessionParts, SessionSettings } from './session-parts.js';
import type { SessionRequest } from './session-request.js';
import type { StreamSessionState } from './session-state.js';
import { Session } from './session.js';
import type { Viewer, ViewerRequest } from './viewer.js';

export interface SessionRegistryParameters {
  readonly parts: SessionParts;
  readonly settings: SessionSettings;
  readonly maxSessions: number;
  /** A session failed that this caller has made. */
  onSessionError(error: StreamKitError, streamId: string, caller: Caller): void;
}

/** How long a session that failed can still be asked why, ms. */
const FAILED_SESSION_KEPT_MS = 30_000;
/** Most failed sessions kept; beyond it the oldest is forgotten. */
const MAX_FAILED_SESSIONS = 100;

/** All sessions of one router: how many there may be, and which can be found under their id. */
export class SessionRegistry {
  readonly #parameters: SessionRegistryParameters;
  /** By id, what a client can ask for. The id is no secret: what the time of a look-up tells of it harms nobody. */
  readonly #found = new Map<string, Session>();
  /** Those that may still have processes, found or not, and who made them: they are what `maxSessions` counts. */
  readonly #occupying = new Map<Session, Caller>();
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
    return [...new Set([...this.#occupying.keys(), ...this.#found.values()])].map(({ state }) => state);
  }

  /**
   * Makes a session and begins to launch it.
   *
   * @throws StreamKitError `at_capacity`.
   */
  create(request: SessionRequest, caller: Caller): Session {
    const { parts, settings, maxSessions } = this.#parameters;
    if (this.#closed) {
      const headers = { 'Retry-After': '10' };
      throw new StreamKitError('at_capacity', 'The server is shutting down', { status: 503, headers });
    }
    if (this.#occupying.size >= maxSessions) {
      const headers = { 'Retry-After': '5' };
      throw new StreamKitError('at_capacity', 'All sessions of this server are taken', { headers });
    }
    const ofCaller = [...this.#occupying.values()].filter(({ key }) => key === caller.key).length;
    if (ofCaller >= (caller.limits.maxSessions ?? Infinity)) {
      const headers = { 'Retry-After': '5' };
      throw new StreamKitError('at_capacity', 'This caller has as many sessions as it may', { headers });
    }
    const createdAtUs = parts.clock.nowUs();
    let code: ErrorCode | undefined;
    const session = new Session(parts.ids.streamId(), request, parts, settings, {
      onFailed: (failed, error) => {
        code = error.code;
        this.#parameters.onSessionError(error, failed.streamId, caller);
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
    this.#occupying.set(session, caller);
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
   * Finds the viewer that comes back to a session, or makes a new one.
   *
   * @throws StreamKitError `no_such_viewer` for a viewer of another session or of another caller, `at_capacity`, or as
   * {@link Session.admit}.
   */
  admit(session: Session, request: ViewerRequest): Viewer {
    const { viewerId, caller } = request;
    if (viewerId !== undefined) {
      if (session.viewers.has(viewerId)) return session.admit(request);
      if ([...this.#found.values()].some(({ viewers }) => viewers.has(viewerId))) {
        throw new StreamKitError('no_such_viewer', 'There is no such viewer');
      }
    }
    this.checkMayJoin(caller);
    const viewer = session.admit(request);
    const { logContext } = viewer.journal;
    this.#parameters.parts.logger.info({ ...logContext, ...callerBindings(caller) }, 'viewer joined');
    return viewer;
  }

  /** @throws StreamKitError `at_capacity` for a caller that has as many viewers as it may. */
  checkMayJoin(caller: Caller): void {
    const { maxViewers } = caller.limits;
    if (maxViewers === undefined) return;
    const sessions = [...this.#found.values()];
    if (sessions.reduce((sum, { viewers }) => sum + viewers.countOf(caller), 0) < maxViewers) return;
    const headers = { 'Retry-After': '5' };
    throw new StreamKitError('at_capacity', 'This caller has as many viewers as it may', { headers });
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
    await Promise.all([...this.#occupying.keys()].map((session) => session.close('shutdown')));
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
