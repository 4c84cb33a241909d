import type { ProgramInput } from './program-input.js';
import type { CdpConnection } from './cdp-connection.js';
import { isInternalUrl, judgeGuestCommand } from './cdp-guest-policy.js';
import type { CdpMessage } from './cdp-pipe.js';
import { PRESSES } from './page-controls.js';

/** Commands of one guest without an answer; more are refused. */
const MAX_WAITING = 500;
/** Input that one guest has waiting while a person has control, characters of JSON; more is refused. */
const MAX_HELD_LENGTH = 1024 * 1024;
/** Sessions of one guest, its root among them: a page with many frames or workers of its own. */
const MAX_SESSIONS = 500;
const WITHOUT_CONTROL =
  'The application does not have control of the page: ask for it with session.control.request()';
/** JSON-RPC 2.0 section 5.1, as Chromium uses it. */
const SERVER_ERROR = -32_000;
const INVALID_REQUEST = -32_600;

export interface CdpGuestListener {
  /** A message for the guest, as JSON. */
  send(json: string): void;
  /** It has pressed something, or touched, in the page of this target. */
  onPress(targetId: string): void;
  /** It wants a picture of the page; resolves when the page is drawn. */
  onScreenshot(): Promise<void>;
  /** At most once. */
  onEnded(reason: CdpGuestEnd): void;
}

/** Why a guest ends: it asked to go or the browser has gone, or it was sent an event that is too long. */
export type CdpGuestEnd = 'left' | 'oversized';

/**
 * One client of the DevTools protocol beside us. It has a browser-level session of its own; what is ours it neither sees nor
 * reaches, and {@link judgeGuestCommand} decides over each of its commands.
 */
export class CdpGuest {
  readonly #connection: CdpConnection;
  readonly #rootId: string;
  readonly #isHidden: (target: TargetFields) => boolean;
  readonly #listener: CdpGuestListener;
  /** Sessions that it has, its root among them, and their targets. */
  readonly #sessions = new Map<string, string>();
  /** Targets that were found to be hidden, by id. */
  readonly #hidden = new Set<string>();
  /** Its sessions whose page it has halted by the debugger. */
  readonly #paused = new Set<string>();
  #input: ProgramInput = 'pass';
  /** Input that waits until it may reach the page, in order. */
  #held: HeldInput[] = [];
  #waiting = 0;
  #ended = false;

  private constructor(
    connection: CdpConnection,
    rootId: string,
    isHidden: (target: TargetFields) => boolean,
    listener: CdpGuestListener,
  ) {
    this.#connection = connection;
    this.#rootId = rootId;
    this.#isHidden = isHidden;
    this.#listener = listener;
  }

  /** @param isHidden - whether a target is none of the guest's business. */
  static async open(
    connection: CdpConnection,
    isHidden: (target: TargetFields) => boolean,
    listener: CdpGuestListener,
  ): Promise<CdpGuest> {
    const { sessionId } = await connection.browser.send('Target.attachToBrowserTarget');
    const guest = new CdpGuest(connection, sessionId, isHidden, listener);
    guest.#adopt(sessionId);
    return guest;
  }

  /** A page is halted by the debugger until the guest resumes it or ends. */
  get hasPaused(): boolean {
    return this.#paused.size > 0;
  }

  /** A message of the guest: hostile. */
  receive(json: string): void {
    if (this.#ended) return;
    let message: unknown;
    try {
      message = JSON.parse(json);
    } catch {
      message = undefined;
    }
    const { id, method, params, sessionId } = (message ?? {}) as Readonly<Record<string, unknown>>;
    const isParams = params === undefined || (typeof params === 'object' && params !== null);
    if (typeof id !== 'number' || typeof method !== 'string' || !isParams) {
      this.#listener.send(
        JSON.stringify({ error: { code: INVALID_REQUEST, message: 'Expected a command' } }),
      );
      return;
    }
    const answer = (rest: Pick<CdpMessage, 'result' | 'error'>): void => this.#answer(id, sessionId, rest);
    const refuse = (text: string): void => answer({ error: { code: SERVER_ERROR, message: text } });
    const inSession = sessionId ?? this.#rootId;
    if (typeof inSession !== 'string' || !this.#sessions.has(inSession)) {
      refuse('Session with given id not found.');
      return;
    }
    const given = params as Readonly<Record<string, unknown>> | undefined;
    const verdict = judgeGuestCommand(method, given);
    if (verdict.type === 'refuse') refuse(verdict.message);
    else if (verdict.type === 'ignore') answer({ result: {} });
    else if (verdict.type === 'end') {
      answer({ result: {} });
      this.close();
    } else if (method.startsWith('Target.attachTo') && this.#sessions.size >= MAX_SESSIONS)
      refuse(`A client has at most ${MAX_SESSIONS} sessions`);
    else if (this.#names(given)) refuse('No target with given id found');
    else if (this.#waiting + this.#held.length >= MAX_WAITING) refuse('Too many commands wait for an answer');
    else {
      const forward = (): void => this.#forward(inSession, method, verdict.params, answer);
      if (method.startsWith('Input.')) this.#accept({ length: json.length, forward, refuse });
      else if (method === 'Page.captureScreenshot')
        void this.#listener.onScreenshot().then(() => {
          if (!this.#ended) forward();
        });
      else forward();
    }
  }

  /** What becomes of its input from now on. At first it passes. */
  setInput(input: ProgramInput): void {
    this.#input = input;
    for (const held of this.#held.splice(0)) this.#accept(held);
  }

  /** Lets go of every session. Idempotent. */
  close(reason: CdpGuestEnd = 'left'): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#paused.clear();
    this.#held = [];
    for (const sessionId of this.#sessions.keys()) this.#connection.disown(sessionId);
    this.#connection.browser
      .send('Target.detachFromTarget', { sessionId: this.#rootId })
      .catch(() => undefined);
    this.#listener.onEnded(reason);
  }

  #accept(input: HeldInput): void {
    const heldLength = this.#held.reduce((sum, { length }) => sum + length, input.length);
    if (this.#input === 'pass') input.forward();
    else if (this.#input === 'refuse') input.refuse(WITHOUT_CONTROL);
    else if (heldLength > MAX_HELD_LENGTH) input.refuse('Too much input waits for control of the page');
    else this.#held.push(input);
  }

  #forward(
    sessionId: string,
    method: string,
    params: Readonly<Record<string, unknown>> | undefined,
    answer: (rest: Pick<CdpMessage, 'result' | 'error'>) => void,
  ): void {
    this.#waiting += 1;
    const isPress = PRESSES.has(String(params?.type)) || method === 'Input.synthesizeTapGesture';
    if (method.startsWith('Input.') && isPress) {
      this.#listener.onPress(this.#sessions.get(sessionId) ?? '');
    }
    // Not by a promise: clients rely on the order of answers and events.
    this.#connection.post(method, params, sessionId, ({ result, error }) => {
      this.#waiting -= 1;
      // A document of another process comes without `Debugger.resumed`.
      if (method === 'Debugger.disable' || (method === 'Page.navigate' && error === undefined))
        this.#paused.delete(sessionId);
      if (error !== undefined) answer({ error: { code: SERVER_ERROR, ...error } });
      else if (method === 'Target.getTargets') {
        const { targetInfos = [] } = result as { targetInfos?: TargetFields[] };
        answer({ result: { targetInfos: targetInfos.filter((target) => !this.#hides(target)) } });
      } else answer({ result });
    });
  }

  #answer(id: number, sessionId: unknown, rest: Pick<CdpMessage, 'result' | 'error'>): void {
    if (!this.#ended) this.#listener.send(JSON.stringify({ id, ...rest, sessionId }));
  }

  #adopt(sessionId: string, targetId = ''): void {
    this.#sessions.set(sessionId, targetId);
    this.#connection.adopt(sessionId, {
      onEvent: (message) => this.#onEvent(message),
      onOversized: () => this.close('oversized'),
      onClosed: () => this.close(),
    });
  }

  #onEvent({ method, params, sessionId = this.#rootId }: CdpMessage): void {
    const { targetInfo, targetId, sessionId: childId } = params as TargetEvent;
    switch (method ?? '') {
      case 'Target.attachedToTarget':
        if (childId === undefined) return;
        if (this.#sessions.size >= MAX_SESSIONS || (targetInfo !== undefined && this.#hides(targetInfo))) {
          this.#connection.post(
            'Target.detachFromTarget',
            { sessionId: childId },
            sessionId,
            () => undefined,
          );
          return;
        }
        this.#adopt(childId, targetInfo?.targetId);
        break;
      case 'Target.detachedFromTarget':
        if (childId === undefined || !this.#sessions.delete(childId)) return;
        this.#paused.delete(childId);
        this.#connection.disown(childId);
        break;
      case 'Debugger.paused':
        this.#paused.add(sessionId);
        break;
      case 'Debugger.resumed':
        this.#paused.delete(sessionId);
        break;
      case 'Target.targetCreated':
      case 'Target.targetInfoChanged':
        if (targetInfo !== undefined && this.#hides(targetInfo)) return;
        break;
      case 'Target.targetDestroyed':
      case 'Target.targetCrashed':
        if (targetId !== undefined && this.#hides({ targetId })) return;
        break;
      default:
        break;
    }
    const own = sessionId === this.#rootId ? undefined : sessionId;
    this.#listener.send(JSON.stringify({ method, params, sessionId: own }));
  }

  /** Whether a command names a target that is hidden. */
  #names({ targetId }: Readonly<Record<string, unknown>> = {}): boolean {
    return typeof targetId === 'string' && this.#hides({ targetId });
  }

  #hides(target: TargetFields): boolean {
    const isHidden =
      this.#hidden.has(target.targetId) || isInternalUrl(target.url ?? '') || this.#isHidden(target);
    // What belongs to it later says no more than its id.
    if (isHidden) this.#hidden.add(target.targetId);
    return isHidden;
  }
}

/** A command of the domain `Input`. */
interface HeldInput {
  /** The length of its JSON. */
  readonly length: number;
  readonly forward: () => void;
  readonly refuse: (message: string) => void;
}

/** As much of `Target.TargetInfo` as is looked at. */
export interface TargetFields {
  readonly targetId: string;
  readonly url?: string;
}

interface TargetEvent {
  readonly targetInfo?: TargetFields;
  readonly targetId?: string;
  readonly sessionId?: string;
}
