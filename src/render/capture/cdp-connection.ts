import { EventEmitter } from 'node:events';
import type { Readable, Writable } from 'node:stream';

import type { CDPEvents, CDPSession, Protocol } from 'puppeteer';

import { CdpPipe, type CdpMessage } from './cdp-pipe.js';

/** The events of the DevTools protocol by their names, and those of a session itself. */
export type CdpEvents = Pick<CDPEvents, Extract<keyof CDPEvents, `${string}.${string}`>> & {
  /** A target that it attaches to by itself has a session. */
  sessionattached: CdpSession;
  /** It is over. */
  disconnected: undefined;
};

export interface CdpConnectionListener {
  /** The page made a message that is too long, and that something depends on. */
  onOversized(method: string): void;
  /** The browser has gone. At most once. */
  onClosed(): void;
}

/** Our own commands without an answer beyond this are refused: a page that does not answer does not fill the memory. */
const MAX_WAITING = 2_000;
/** Commands of guests are refused while more than this waits for the browser to read it: our own still fit, bytes. */
const MAX_GUEST_QUEUED_BYTES = 8 * 1024 * 1024;

/** An answer, as the browser gave it. */
export type CdpAnswer = Pick<CdpMessage, 'result' | 'error'>;

interface Waiting {
  readonly sessionId: string | undefined;
  readonly isGuest: boolean;
  settle(answer: CdpAnswer): void;
}

/** What a session reports that somebody else has; see {@link CdpConnection.adopt}. */
export interface CdpGuestSession {
  onEvent(message: CdpMessage): void;
  /** An event was too long and is lost. */
  onOversized(): void;
  /** The browser has gone. */
  onClosed(): void;
}

/** A browser that is driven over pipes: the session of the browser itself, and one a target. */
export class CdpConnection {
  /** Of the browser. */
  readonly browser: CdpSession;
  readonly #pipe: CdpPipe;
  readonly #sessions = new Map<string, CdpSession>();
  /** Sessions of guests, by id. */
  readonly #guests = new Map<string, CdpGuestSession>();
  readonly #waiting = new Map<number, Waiting>();
  /** As many of those that wait are guests'. Each guest bounds its own. */
  #guestsWaiting = 0;
  /** Events that somebody listens for. */
  readonly #wanted = new Set<string>(['Target.attachedToTarget', 'Target.detachedFromTarget']);
  #lastId = 0;

  constructor(output: Writable, input: Readable, listener: CdpConnectionListener) {
    this.browser = new CdpSession(this, undefined, undefined, { targetId: '', type: 'browser' });
    this.#pipe = new CdpPipe(output, input, {
      wants: (method) => this.#wanted.has(method) || this.#guests.size > 0,
      onMessage: (message) => this.#receive(message),
      onOversized: ({ id, method, sessionId }) => {
        const guest = sessionId === undefined ? undefined : this.#guests.get(sessionId);
        if (id !== undefined) this.#fail(id, 'The answer is too long');
        else if (guest !== undefined) guest.onOversized();
        // It may also be of a guest that has just gone.
        else if (method !== undefined && this.#wanted.has(method) && this.#isOurs(sessionId))
          listener.onOversized(method);
      },
      onClosed: () => {
        // First, so that it is known that the browser has gone, and not just one page of it.
        listener.onClosed();
        for (const [id] of this.#waiting) this.#fail(id, 'The browser has gone');
        for (const guest of [...this.#guests.values()]) guest.onClosed();
        for (const session of [this.browser, ...this.#sessions.values()])
          session.emit('disconnected', undefined);
      },
    });
  }

  /** A session of its own for the target. */
  async attach(targetId: string): Promise<CdpSession> {
    const { sessionId } = await this.browser.send('Target.attachToTarget', { targetId, flatten: true });
    const session = this.#sessions.get(sessionId);
    if (session === undefined) throw new Error('The target has gone');
    return session;
  }

  /** Commands that wait are rejected. Idempotent. */
  close(): void {
    this.#pipe.close();
  }

  /** Hands a session over: its events go to the guest alone from now on. */
  adopt(sessionId: string, guest: CdpGuestSession): void {
    this.#sessions.delete(sessionId);
    this.#guests.set(sessionId, guest);
  }

  /** A session of a guest is over: its commands that wait fail. */
  disown(sessionId: string): void {
    this.#guests.delete(sessionId);
    this.#detach(sessionId);
  }

  /**
   * Sends a command.
   *
   * @param settle - gets the answer as the browser gives it, in its order among answers and events; once.
   */
  post(
    method: string,
    params: object | undefined,
    sessionId: string | undefined,
    settle: (answer: CdpAnswer) => void,
  ): void {
    const id = ++this.#lastId;
    const isGuest = sessionId !== undefined && this.#guests.has(sessionId);
    const mayWait = isGuest
      ? this.#pipe.queuedBytes < MAX_GUEST_QUEUED_BYTES
      : this.#waiting.size - this.#guestsWaiting < MAX_WAITING;
    const isSent =
      mayWait &&
      (isGuest || this.#isOurs(sessionId)) &&
      this.#pipe.send({
        id,
        method,
        ...(params && { params }),
        ...(sessionId !== undefined && { sessionId }),
      });
    if (isSent) {
      this.#waiting.set(id, { sessionId, isGuest, settle });
      if (isGuest) this.#guestsWaiting += 1;
    } else settle(failure(`${method} cannot be sent: the target has gone or does not answer`));
  }

  /** For sessions alone. */
  send(method: string, params: object | undefined, sessionId: string | undefined): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.post(method, params, sessionId, ({ result, error }) => {
        if (error === undefined) resolve(result);
        else reject(new Error(`${error.message} ${error.data ?? ''}`.trim()));
      });
    });
  }

  /** For sessions alone. */
  want(event: string): void {
    this.#wanted.add(event);
  }

  #receive({ id, method, params, result, error, sessionId }: CdpMessage): void {
    if (id !== undefined) {
      this.#settle(id, error === undefined ? { result } : { error });
      return;
    }
    const guest = sessionId === undefined ? undefined : this.#guests.get(sessionId);
    if (guest !== undefined && sessionId !== undefined) {
      guest.onEvent({ ...(method === undefined ? {} : { method }), params: params ?? {}, sessionId });
      return;
    }
    const session = sessionId === undefined ? this.browser : this.#sessions.get(sessionId);
    if (method === undefined || session === undefined) return;
    if (method === 'Target.attachedToTarget') {
      const attached = params as Protocol.Target.AttachedToTargetEvent;
      const child = new CdpSession(this, session, attached.sessionId, attached.targetInfo);
      this.#sessions.set(attached.sessionId, child);
      session.emit('sessionattached', child);
    } else if (method === 'Target.detachedFromTarget') {
      this.#detach((params as Protocol.Target.DetachedFromTargetEvent).sessionId);
    }
    session.emit(method as keyof CdpEvents, params as never);
  }

  #detach(sessionId: string): void {
    const session = this.#sessions.get(sessionId);
    this.#sessions.delete(sessionId);
    for (const [id, waiting] of this.#waiting) {
      if (waiting.sessionId === sessionId) this.#fail(id, 'The target has gone');
    }
    session?.emit('disconnected', undefined);
  }

  #settle(id: number, answer: CdpAnswer): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    if (waiting.isGuest) this.#guestsWaiting -= 1;
    waiting.settle(answer);
  }

  /** Of the browser or of a session that is no guest's. */
  #isOurs(sessionId: string | undefined): boolean {
    return sessionId === undefined || this.#sessions.has(sessionId);
  }

  #fail(id: number, message: string): void {
    this.#settle(id, failure(message));
  }
}

function failure(message: string): CdpAnswer {
  return { error: { message } };
}

/** Commands to and events of one target. */
export class CdpSession {
  /** As it was when the session began. */
  readonly target: Pick<Protocol.Target.TargetInfo, 'targetId' | 'type' | 'openerId'>;
  readonly #connection: CdpConnection;
  /** That it was attached by. */
  readonly #parent: CdpSession | undefined;
  readonly #sessionId: string | undefined;
  readonly #emitter = new EventEmitter().setMaxListeners(0);

  /** @param sessionId - undefined: the browser itself. */
  constructor(
    connection: CdpConnection,
    parent: CdpSession | undefined,
    sessionId: string | undefined,
    target: CdpSession['target'],
  ) {
    this.#parent = parent;
    this.target = target;
    this.#connection = connection;
    this.#sessionId = sessionId;
  }

  /** Rejects if the command fails, or the target goes before it answers. */
  readonly send = ((method: string, params?: object) =>
    this.#connection.send(method, params, this.#sessionId)) as CDPSession['send'];

  /** Lets go of the target. */
  async detach(): Promise<void> {
    if (this.#sessionId === undefined) return;
    await this.#parent?.send('Target.detachFromTarget', { sessionId: this.#sessionId });
  }

  on<E extends keyof CdpEvents>(event: E, listener: (event: CdpEvents[E]) => void): void {
    this.#connection.want(event);
    this.#emitter.on(event, listener);
  }

  once<E extends keyof CdpEvents>(event: E, listener: (event: CdpEvents[E]) => void): void {
    this.#connection.want(event);
    this.#emitter.once(event, listener);
  }

  off<E extends keyof CdpEvents>(event: E, listener: (event: CdpEvents[E]) => void): void {
    this.#emitter.off(event, listener);
  }

  /** For the connection alone. */
  emit<E extends keyof CdpEvents>(event: E, value: CdpEvents[E]): void {
    this.#emitter.emit(event, value);
  }
}
