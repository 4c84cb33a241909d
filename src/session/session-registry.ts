import type { SessionSummary } from '../protocol/session-requests.js';
import type { Timer } from '../base/clock.js';
import { isTerminalName } from '../options/terminal-options.js';
import type { ProfileLease } from '../profiles/profile-lease.js';
import type { TerminalTarget } from '../terminal/terminal.js';
import type { ErrorCode } from '../base/errors.js';
import { StreamKitError } from '../base/errors.js';
import { NoRoomError } from '../base/no-room-error.js';
import type { Admission } from './admission.js';
import { MAX_TERMINALS_WITH_AUTO } from './admission.js';
import type { Caller } from './caller.js';
import { callerBindings, ownsSession } from './caller.js';
import { HeldEvents } from './held-events.js';
import type { SessionParts, SessionSettings } from './session-parts.js';
import type { SessionRequest } from './session-request.js';
import type { StreamSessionState } from '../protocol/state-document.js';
import type { SessionArrival } from './moved-session.js';
import { departing, Session } from './session.js';
import type { SessionListener, StreamSession } from './stream-session.js';
import type { TerminalRequest } from './terminal-request.js';
import { TerminalSession } from './terminal-session.js';
import type { EventStreamLink, ViewerRequest } from './event-stream-link.js';

export interface SessionRegistryParameters {
  readonly parts: SessionParts;
  readonly settings: SessionSettings;
  readonly admission: Admission;
  /** A session failed that this caller has made. */
  onSessionError(error: StreamKitError, streamId: string, caller: Caller): void;
}

/** How long a session that ended by itself can still be asked why, or be read, ms. */
const ENDED_SESSION_KEPT_MS = 30_000;
/** How long a page is unused, at the least, before it ends for a server that drains, ms. */
const LEAST_UNUSED_MS = 1000;
/** Most of them kept; beyond it the oldest is forgotten. One that can be read holds its output. */
const MAX_KEPT = { error: 100, exited: 16 } as const;

interface Kept {
  readonly reason: keyof typeof MAX_KEPT;
  readonly timer: Timer;
}

/** All sessions of one router: how many there may be, and which can be found under their id. */
export class SessionRegistry {
  readonly #parameters: SessionRegistryParameters;
  /** By id, what a client can ask for. The id is no secret: what the time of a look-up tells of it harms nobody. */
  readonly #found = new Map<string, StreamSession>();
  /** Who has created them, of those that can be found. */
  readonly #creators = new Map<string, Caller>();
  /** Those that may still have processes, found or not, and who made them. */
  readonly #occupying = new Map<StreamSession, Caller>();
  readonly #kept = new Map<StreamSession, Kept>();
  /** They come from another server, and cannot be found yet. */
  readonly #arriving = new Map<StreamSession, HeldEvents>();
  /** By a session that has departed and was kept: the one in its place. */
  readonly #successors = new WeakMap<StreamSession, Session>();
  /** Resolves once no page is left; undefined: it takes sessions. */
  #drained: Promise<void> | undefined;
  #onDrained = (): void => undefined;
  #closed = false;

  constructor(parameters: SessionRegistryParameters) {
    this.#parameters = parameters;
  }

  /** Another session can be made. */
  get hasRoom(): boolean {
    return (
      !this.#closed &&
      !this.draining &&
      !this.#isFull('page') &&
      this.#parameters.admission.shortage === undefined
    );
  }

  /** How many more pages could be made now. */
  get room(): number {
    return this.hasRoom ? this.pagesLeft : 0;
  }

  /** How many more pages may be made, whatever the machine carries. */
  get pagesLeft(): number {
    const { admission } = this.#parameters;
    if (this.#closed || this.draining) return 0;
    return admission.maxSessions - (admission.isAuto ? admission.running : this.#occupying.size);
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** It takes no new sessions, for good. */
  get draining(): boolean {
    return this.#drained !== undefined;
  }

  /** As their documents are now, also of those that ended and still have something open or can still be asked why. */
  states(): Readonly<StreamSessionState>[] {
    return [...new Set([...this.#occupying.keys(), ...this.#found.values()])].map(({ state }) => state);
  }

  /** Who has created a session; undefined where it is not known. */
  creatorOf(streamId: string): Caller | undefined {
    return this.#creators.get(streamId);
  }

  /** The sessions that a caller owns, of an operator all, oldest first. */
  list(caller: Caller): SessionSummary[] {
    return [...this.#found.values()].flatMap((session) => {
      const creator = this.creatorOf(session.streamId);
      const isOwn = creator !== undefined && ownsSession(creator, caller) && caller.role === 'owner';
      if (!isOwn && caller.role !== 'operator') return [];
      const { streamId, status, metadata, instanceInfo } = session.state;
      const kind = session.hasMedia ? 'page' : 'terminal';
      return [
        { streamId, status, kind, viewers: metadata.viewers, createdAt: instanceInfo?.startTime ?? null },
      ];
    });
  }

  /**
   * Whether a session of either kind could be created now, before it is known what is asked for.
   *
   * @throws StreamKitError `at_capacity`.
   */
  checkMayCreate(caller: Caller): void {
    const { terminals } = this.#parameters.parts;
    // With terminals there may still be room for one of them.
    this.#ensureRoom(terminals === undefined || this.#isFull('terminal') ? 'page' : 'terminal', caller);
  }

  /**
   * Makes a session of a page and begins to launch it.
   *
   * @throws StreamKitError `at_capacity`.
   */
  create(request: SessionRequest, caller: Caller, profile?: ProfileLease): Session {
    const { parts, settings } = this.#parameters;
    this.#ensureRoom('page', caller);
    return this.#start(
      caller,
      (listener) => new Session(parts.ids.streamId(), request, parts, settings, listener, profile),
    );
  }

  /** Before a session is received: whether there is room. @throws StreamKitError `at_capacity`. */
  checkMayReceive(caller: Caller): void {
    this.#ensureRoom('page', { ...caller, limits: {} });
  }

  /**
   * As {@link create}, of a session that comes from another server. It is not to be found before {@link adopt}; the limits of its caller
   * have been looked at where it was created.
   *
   * @throws StreamKitError `at_capacity`.
   */
  receive(
    streamId: string,
    request: SessionRequest,
    caller: Caller,
    arrival: SessionArrival,
    profile: ProfileLease | undefined,
  ): Session {
    const { parts, settings } = this.#parameters;
    this.checkMayReceive(caller);
    const events = new HeldEvents(parts.observe);
    const holding = { ...parts, observe: events.observe };
    return this.#start(
      caller,
      (listener) => new Session(streamId, request, holding, settings, listener, profile, arrival),
      events,
    );
  }

  /** What has arrived is this server's from now on. */
  adopt(session: Session): void {
    const caller = this.#occupying.get(session);
    const events = this.#arriving.get(session);
    if (events === undefined || caller === undefined) return;
    this.#arriving.delete(session);
    this.#enter(session, caller);
    events.release();
  }

  /** Puts another session in the place of one that has departed and was not taken; undefined where that one has ended. */
  replace(session: Session, request: SessionRequest, arrival: SessionArrival): Session | undefined {
    const { parts, settings } = this.#parameters;
    const { streamId } = session;
    const caller = this.#occupying.get(session);
    if (caller === undefined || session.endReason !== undefined) return undefined;
    const profile = session.handOverProfile();
    const next = this.#start(
      caller,
      (listener) => new Session(streamId, request, parts, settings, listener, profile, arrival),
    );
    this.#successors.set(session, next);
    // Publications restart only after the page has loaded, so check for disuse after that.
    void next.whenLaunched.then(() => this.draining && next.endWhenUnused(this.#unusedMs));
    void session.close('moved');
    return next;
  }

  /** A session that has departed was taken by another server: it is not found here any more, and its viewers are told to come again. */
  async handOver(session: Session): Promise<void> {
    this.#forget(session);
    await session.close('moved');
  }

  /** As {@link create}, of a terminal. @throws StreamKitError `at_capacity`, `forbidden` where there are none. */
  createTerminal(request: TerminalRequest, caller: Caller): TerminalSession {
    const id = this.#parameters.parts.ids.streamId();
    return this.#startTerminal({ kind: 'new', id, ...request }, id, caller);
  }

  /** Takes up the terminals that an earlier run of the server has left. Once, before anything else. */
  restoreTerminals(): void {
    const { folder } = this.#parameters.parts.terminals ?? {};
    for (const { id, createdAtMs, owner } of folder?.left() ?? []) {
      const caller: Caller = { ...owner, limits: {}, context: undefined };
      this.#startTerminal({ kind: 'left', id }, id, caller, createdAtMs, false);
    }
  }

  /**
   * Finds a session, or attaches to the tmux session of this name where the options let clients do so.
   *
   * @throws StreamKitError `no_such_session`, `at_capacity`.
   */
  async open(streamId: string, caller: Caller): Promise<StreamSession> {
    const { terminals } = this.#parameters.parts;
    const { names } = terminals?.options.attach ?? {};
    const mayAttach = names === 'all' ? isTerminalName(streamId) : names?.includes(streamId) === true;
    if (this.find(streamId) === undefined && mayAttach && (await terminals?.canAttach(streamId)) === true) {
      // Somebody else may have been quicker.
      const target: TerminalTarget = { kind: 'attached', name: streamId };
      return this.find(streamId) ?? this.#startTerminal(target, streamId, caller);
    }
    return this.get(streamId);
  }

  /** Those that can be found, oldest first. */
  all(): readonly StreamSession[] {
    return [...this.#found.values()];
  }

  find(streamId: string): StreamSession | undefined {
    return this.#found.get(streamId);
  }

  /** @throws StreamKitError `no_such_session`. */
  get(streamId: string): StreamSession {
    const session = this.find(streamId);
    if (session === undefined) throw noSuchSession();
    return session;
  }

  findPage(streamId: string): Session | undefined {
    const session = this.find(streamId);
    return session instanceof Session ? session : undefined;
  }

  /** A session of a page: one that has media. @throws StreamKitError `no_such_session`, `conflict` for a terminal. */
  page(streamId: string): Session {
    const session = this.get(streamId);
    if (session instanceof Session) return session;
    throw new StreamKitError(
      'conflict',
      'The session is a terminal: it has no pictures and takes no signals',
    );
  }

  /**
   * Finds the viewer that comes back to a session, or makes a new one.
   *
   * @throws StreamKitError `no_such_viewer` for a viewer of another session or of another caller, `at_capacity`, or as
   * {@link Session.admit}.
   */
  admit(session: StreamSession, request: ViewerRequest): EventStreamLink {
    const { viewerId, caller } = request;
    if (viewerId !== undefined) {
      if (session.viewers.has(viewerId)) return session.admit(request);
      if ([...this.#found.values()].some(({ viewers }) => viewers.has(viewerId))) {
        throw new StreamKitError('no_such_viewer', 'There is no such viewer');
      }
    }
    this.checkMayJoin(caller);
    const link = session.admit(request);
    const { logContext } = link.viewer.log;
    this.#parameters.parts.logger.info({ ...logContext, ...callerBindings(caller) }, 'viewer joined');
    return link;
  }

  /** @throws StreamKitError `at_capacity` for a caller that has as many viewers as it may. */
  checkMayJoin(caller: Caller): void {
    const { maxViewers } = caller.limits;
    if (maxViewers === undefined || this.#countOf('viewers', caller.key) < maxViewers) return;
    const headers = { 'Retry-After': '5' };
    throw new StreamKitError('at_capacity', 'This caller has as many viewers as it may', { headers });
  }

  /** How many a caller has here, in all sessions together. */
  #countOf(kind: 'sessions' | 'viewers', callerKey: string): number {
    return this.counts(kind).get(callerKey) ?? 0;
  }

  /** How many each caller has here, in all sessions together; who has none is missing. */
  counts(kind: 'sessions' | 'viewers'): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    if (kind === 'viewers') for (const { viewers } of this.#found.values()) viewers.addCounts(counts);
    else for (const { key } of this.#occupying.values()) counts.set(key, (counts.get(key) ?? 0) + 1);
    return counts;
  }

  /**
   * Ends a session and forgets it. Resolves when everything it had is gone; asking again meanwhile waits for the same. In place of a session
   * that departed and was kept, it ends the one that goes on.
   *
   * @throws StreamKitError `unavailable` for one that is moving to another server, `no_such_session` for one that has moved there.
   */
  async end(session: StreamSession, reason: 'deleted' | 'timeout' | 'shutdown'): Promise<void> {
    if (session instanceof Session && session.isDeparting) throw departing();
    if (session.endReason === 'moved') {
      const next = this.#successors.get(session);
      if (next === undefined) throw new StreamKitError('no_such_session', 'The session has moved elsewhere');
      return this.end(next, reason);
    }
    await session.close(reason);
    this.#forget(session);
  }

  /**
   * Takes no new sessions; pages end once nobody uses them. Terminals go on: the next server takes up those that tmux
   * keeps. Idempotent.
   *
   * @returns resolves when no page is left.
   */
  drain(): Promise<void> {
    if (this.#drained === undefined) {
      this.#drained = new Promise((resolve) => (this.#onDrained = resolve));
      for (const session of this.#occupying.keys()) {
        if (session instanceof Session) session.endWhenUnused(this.#unusedMs);
      }
      this.#lookDrained();
    }
    return this.#drained;
  }

  /** Ends every session and takes no new ones. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#occupying.keys()].map((session) => session.close('shutdown')));
    for (const session of [...this.#found.values()]) this.#forget(session);
    this.#parameters.parts.terminals?.folder?.close();
  }

  get #unusedMs(): number {
    return Math.max(this.#parameters.settings.viewerReattachMs, LEAST_UNUSED_MS);
  }

  /** @throws StreamKitError `at_capacity`. */
  #ensureRoom(kind: 'page' | 'terminal', caller: Caller): void {
    if (this.#closed || this.draining) {
      throw new NoRoomError('The server is shutting down', { status: 503, headers: { 'Retry-After': '10' } });
    }
    const headers = { 'Retry-After': '5' };
    if (this.#isFull(kind)) {
      throw new NoRoomError('All sessions of this server are taken', { headers });
    }
    if (this.#countOf('sessions', caller.key) >= (caller.limits.maxSessions ?? Infinity)) {
      throw new StreamKitError('at_capacity', 'This caller has as many sessions as it may', { headers });
    }
    if (kind === 'page') this.#ensureCarried();
  }

  #isFull(kind: 'page' | 'terminal'): boolean {
    const { admission } = this.#parameters;
    if (!admission.isAuto) return this.#occupying.size >= admission.maxSessions;
    return kind === 'page'
      ? admission.running >= admission.maxSessions
      : this.#occupying.size - admission.running >= MAX_TERMINALS_WITH_AUTO;
  }

  /** @throws StreamKitError `at_capacity` when memory or CPU, as measured now, would not carry one more page. */
  #ensureCarried(): void {
    const { admission, parts } = this.#parameters;
    const { shortage, running } = admission;
    if (shortage === undefined) return;
    parts.logger.warn({ shortage, running }, 'session refused: the machine is busy');
    const message = `The server has too little free ${shortage} for one more session`;
    const headers = { 'Retry-After': '10' };
    throw new NoRoomError(message, { status: 503, headers });
  }

  #startTerminal(
    target: TerminalTarget,
    streamId: string,
    caller: Caller,
    createdAtMs?: number,
    limited = true,
  ): TerminalSession {
    const { parts, settings } = this.#parameters;
    const { terminals } = parts;
    if (terminals === undefined) throw new StreamKitError('forbidden', 'This server has no terminals');
    if (limited) {
      this.#ensureRoom('terminal', caller);
      const taken = [...this.#occupying.keys()].filter(
        (session) => session instanceof TerminalSession,
      ).length;
      if (taken >= (terminals.options.maxSessions ?? Infinity)) {
        const headers = { 'Retry-After': '5' };
        throw new StreamKitError('at_capacity', 'All terminals of this server are taken', { headers });
      }
    }
    const madeAtMs = createdAtMs ?? Math.round(parts.clock.wallMs());
    return this.#start(
      caller,
      (listener) =>
        new TerminalSession(
          { streamId, target, caller, createdAtMs: madeAtMs, parts, terminals, settings },
          listener,
        ),
    );
  }

  /** @param held - it arrives, and nobody may find it yet. */
  #start<T extends StreamSession>(
    caller: Caller,
    make: (listener: SessionListener) => T,
    held?: HeldEvents,
  ): T {
    const { parts } = this.#parameters;
    const createdAtUs = parts.clock.nowUs();
    let code: ErrorCode | undefined;
    const session = make({
      onFailed: (failed, error) => {
        code = error.code;
        // The server that has sent it keeps it.
        if (!this.#arriving.has(failed)) this.#parameters.onSessionError(error, failed.streamId, caller);
      },
      onEnded: (ended, reason) => {
        const ageMs = (parts.clock.nowUs() - createdAtUs) / 1000;
        const { streamId, usage } = ended;
        // Of one that never got here nobody has heard.
        if (!this.#arriving.delete(ended)) {
          const end = { reason, ...(code && { code }), ...(usage && { usage }) };
          parts.observe('session:end', { streamId, ageMs, ...end });
          // Another session may have its id by now.
          ended.events.emit('ended', end);
        }
        this.#occupying.delete(ended);
        this.#parameters.admission.ended(ended);
        this.#lookDrained();
        const isKept = reason === 'error' || reason === 'exited';
        // One that was deleted while it failed is not to be found again.
        if (isKept && this.#found.get(streamId) === ended && !this.#closed) this.#keep(ended, reason);
        else this.#forget(ended);
      },
    });
    this.#occupying.set(session, caller);
    if (session.hasMedia) this.#parameters.admission.started(session);
    if (held === undefined) this.#enter(session, caller);
    else this.#arriving.set(session, held);
    session.launch();
    return session;
  }

  #enter(session: StreamSession, caller: Caller): void {
    this.#found.set(session.streamId, session);
    this.#creators.set(session.streamId, caller);
    this.#parameters.parts.observe('session:create', { streamId: session.streamId });
  }

  #lookDrained(): void {
    if (![...this.#occupying.keys()].some((session) => session instanceof Session)) this.#onDrained();
  }

  #keep(session: StreamSession, reason: Kept['reason']): void {
    const timer = this.#parameters.parts.clock.after(ENDED_SESSION_KEPT_MS, () => this.#forget(session));
    this.#kept.set(session, { reason, timer });
    const alike = [...this.#kept].filter(([, kept]) => kept.reason === reason);
    const [oldest] = alike;
    if (alike.length > MAX_KEPT[reason] && oldest !== undefined) this.#forget(oldest[0]);
  }

  #forget(session: StreamSession): void {
    this.#kept.get(session)?.timer.cancel();
    this.#kept.delete(session);
    if (this.#found.get(session.streamId) === session) {
      this.#found.delete(session.streamId);
      this.#creators.delete(session.streamId);
    }
    session.release();
  }
}

function noSuchSession(): StreamKitError {
  return new StreamKitError('no_such_session', 'There is no such session');
}
