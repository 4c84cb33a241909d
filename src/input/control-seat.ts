import type { ViewerRole } from '../protocol/rights.js';
import type { Clock } from '../base/clock.js';
import { asError, StreamKitError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { TokenBucket } from '../base/token-bucket.js';
import type { ControlGroup, ControlMember } from './control-group.js';
import type { PageEvent } from '../protocol/page-events.js';
import { CopyWatch } from './copy-watch.js';
import { InputError, type InputErrorCode } from './input-error.js';
import { type InputMessage, parseInput, parseTypedMessage, type TypedMessage } from './input-message.js';
import type { InputTarget } from './input-target.js';

/** What a client is told of control. */
export interface RoleState {
  readonly role: ViewerRole;
  /** The one that has had control the longest, by its public id; absent where nobody has. */
  readonly controllerId?: string;
}

/** What a seat tells the client that sits in it, by whatever channel. */
export interface SeatListener {
  /** The role of this one, or the controller, is another. */
  onRole(roles: RoleState): void;
  /** Another viewer asks this one, which has control, to give it. */
  onAsked(publicId: string): void;
}

/** What a seat does with a channel of its client. */
export interface SeatChannelListener {
  /** Sends a text message. False: the channel is full. */
  send(text: string): boolean;
  /** The client sends more than it may: the channel is to be closed. */
  onExcess(): void;
}

/** One way of a client to its seat: its data channel, or its WebSocket. */
export interface SeatChannel {
  /** A text message. Never throws. */
  onText(text: string): void;
  /** One that was parsed already, and counted by {@link admit}. */
  onMessage(message: TypedMessage): void;
  /** Counts a message against what the client may send. False: it is too much, and `onExcess` was called. */
  admit(text: string): boolean;
  /** The client is not to be reached by it, for now or for good: lets go of what is held over it. */
  release(): void;
  /** It is gone: lets go of what was held over it. Idempotent. */
  close(): void;
}

/** One client of a session, as far as it may control it: one for all its channels. */
export interface ControlSeat extends ControlMember {
  readonly role: ViewerRole;
  /** It is there, and may be given control. Idempotent. */
  arrive(): void;
  /**
   * A channel is open, and is told the role. It takes over: what is held over others is let go of, and what the client is
   * told, answers aside, goes by this one until it is closed.
   */
  openChannel(listener: SeatChannelListener): SeatChannel;
  /** @throws StreamKitError `forbidden`. */
  request(): Promise<void>;
  release(): void;
  /** Gives control back until another has had it. */
  lend(): void;
  /** @param to - a public id. @throws StreamKitError `forbidden`, `no_such_viewer`. */
  give(to: string): void;
  /** It is gone. Idempotent. */
  leave(): void;
}

/** What a seat is in. */
export interface SeatControl {
  readonly group: ControlGroup<Seat>;
  /** Undefined before there is anything to control. */
  readonly target: InputTarget | undefined;
  /** A keyword of the CSS property `cursor`. */
  readonly cursor: string;
  /** What a controller has to know to take over from another. */
  readonly pageEvents: readonly PageEvent[];
  readonly closed: boolean;
  /** Whether any press of a controller lets the page write its clipboard. */
  readonly copiesByPress: boolean;
  /** A controller's input is about to be carried out. */
  onInput(seat: Seat, message: InputMessage): void;
  forget(seat: Seat): void;
}

/** What one client may send: four times what a mouse of 1000 Hz does. Beyond it its channel is closed. */
const MESSAGES_PER_SECOND = 4000;
const MESSAGES_AT_ONCE = 8000;
const BYTES_PER_SECOND = 1024 * 1024;
const BYTES_AT_ONCE = 2 * 1024 * 1024;

export class Seat implements ControlSeat {
  readonly publicId: string;
  readonly permittedRole: ViewerRole;
  readonly callerContext: ControlMember['callerContext'];
  readonly listener: SeatListener;
  readonly #control: SeatControl;
  readonly #logger: Logger;
  readonly #messages: TokenBucket;
  readonly #bytes: TokenBucket;
  readonly #copies: CopyWatch;
  /** Of the image whose parts come. */
  #getsImage = false;
  /** The newest last. */
  #channels: Channel[] = [];
  #told = '';
  #isGone = false;

  constructor(
    member: ControlMember,
    listener: SeatListener,
    control: SeatControl,
    clock: Clock,
    logger: Logger,
  ) {
    this.publicId = member.publicId;
    this.permittedRole = member.permittedRole;
    this.callerContext = member.callerContext;
    this.listener = listener;
    this.#control = control;
    this.#logger = logger;
    this.#messages = new TokenBucket(clock, MESSAGES_PER_SECOND, MESSAGES_AT_ONCE);
    this.#copies = new CopyWatch(clock, control.copiesByPress);
    this.#bytes = new TokenBucket(clock, BYTES_PER_SECOND, BYTES_AT_ONCE);
    this.#told = this.#roleKey();
  }

  get role(): ViewerRole {
    return this.#control.group.isController(this) ? 'controller' : 'viewer';
  }

  get roles(): RoleState {
    const { controllerId } = this.#control.group;
    return { role: this.role, ...(controllerId === null ? {} : { controllerId }) };
  }

  arrive(): void {
    if (!this.#isGone && !this.#control.closed) this.#control.group.join(this);
  }

  openChannel(listener: SeatChannelListener): SeatChannel {
    this.letGo();
    const channel = new Channel(this, listener, this.#logger);
    if (this.#isGone) return channel;
    this.#channels.push(channel);
    this.tell({ type: 'role', ...this.roles, publicId: this.publicId });
    this.tellCursor();
    return channel;
  }

  /** Of one that is gone. */
  forgetChannel(channel: Channel): void {
    this.#channels = this.#channels.filter((other) => other !== channel);
    this.letGoOf(channel);
  }

  /** Of whatever is held over one channel. */
  letGoOf(channel: Channel): void {
    this.#control.target?.release(channel);
  }

  /** Of whatever the client holds. */
  letGo(): void {
    for (const channel of this.#channels) this.letGoOf(channel);
  }

  /** Counts a message against what the client may send. */
  takes(text: string): boolean {
    // A text has at least a byte for each of its UTF-16 units, and this is no more than a bound.
    return this.#messages.take(1) && this.#bytes.take(text.length);
  }

  request(): Promise<void> {
    this.arrive();
    return this.#control.group.request(this);
  }

  release(): void {
    this.#control.group.release(this);
  }

  lend(): void {
    this.arrive();
    this.#control.group.lend(this);
  }

  give(to: string): void {
    const found = this.#control.group.find(to);
    if (found === undefined) throw new StreamKitError('no_such_viewer', 'There is no such viewer');
    this.#control.group.give(this, found);
  }

  leave(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#control.forget(this);
    this.#channels = [];
  }

  /** Where it, or the controller, has changed. */
  tellRole(): void {
    const key = this.#roleKey();
    if (key === this.#told || this.#isGone) return;
    this.#told = key;
    const { roles } = this;
    this.listener.onRole(roles);
    this.tell({ type: 'role', ...roles });
  }

  /** Of a controller: what it begins with. */
  tellCursor(): void {
    const { cursor: css } = this.#control;
    if (this.role !== 'controller') return;
    if (css !== 'default') this.tell({ type: 'cursor', css });
    for (const event of this.#control.pageEvents) this.tell(event);
  }

  /** What the page has copied, or could not, where it is by the hand of this one. */
  tellCopied(message: object): void {
    if (this.#copies.isRecent) this.tell(message);
  }

  /** A part of an image, likewise. One that has begun in time is told to its end. */
  tellImage(part: Extract<PageEvent, { type: 'clipboard_image' }>): void {
    if (part.part === 0) this.#getsImage = this.#copies.isRecent;
    if (this.#getsImage) this.tell(part);
  }

  /** By the newest channel. @returns false where there is none. */
  tell(message: object): boolean {
    const channel = this.#channels.at(-1);
    channel?.tell(message);
    return channel !== undefined;
  }

  /** @throws InputError, or StreamKitError as {@link give}. */
  accept(message: TypedMessage, by: Channel): void {
    if (this.#isGone || this.#control.closed) return;
    switch (message.type) {
      case 'request_control':
        this.request().catch((thrown: unknown) => by.refuse(thrown));
        return;
      case 'release_control': {
        this.release();
        return;
      }
      case 'give_control': {
        const publicId = message.publicId ?? message.viewerId;
        if (typeof publicId !== 'string') throw new InputError('bad_input', 'Expected string for publicId');
        this.give(publicId);
        return;
      }
      default: {
        // What is wrong is told to everyone; what is right does nothing for a viewer.
        const input = parseInput(message);
        if (this.role !== 'controller')
          throw new InputError('forbidden', 'This client is not the controller');
        const { target } = this.#control;
        if (target === undefined) throw new InputError('bad_input', 'There is nothing to control yet');
        this.#copies.accept(input);
        this.#control.onInput(this, input);
        target.accept(by, input);
      }
    }
  }

  #roleKey(): string {
    return JSON.stringify(this.roles);
  }
}

/** It stands for its client where what is held is concerned. */
export class Channel implements SeatChannel {
  readonly seat: Seat;
  readonly #listener: SeatChannelListener;
  readonly #logger: Logger;
  #isExcessive = false;
  #closed = false;

  /** Use {@link Seat.openChannel}. */
  constructor(seat: Seat, listener: SeatChannelListener, logger: Logger) {
    this.seat = seat;
    this.#listener = listener;
    this.#logger = logger;
  }

  admit(text: string): boolean {
    if (this.#isExcessive) return false;
    if (this.seat.takes(text)) return true;
    this.#isExcessive = true;
    const { publicId } = this.seat;
    this.#logger.warn({ publicId }, 'a client sends more input than it may, and is cut off');
    this.#listener.onExcess();
    return false;
  }

  onText(text: string): void {
    if (!this.admit(text)) return;
    try {
      this.onMessage(parseTypedMessage(text));
    } catch (thrown) {
      this.refuse(thrown);
    }
  }

  onMessage(message: TypedMessage): void {
    if (this.#closed) return;
    try {
      this.seat.accept(message, this);
    } catch (thrown) {
      this.refuse(thrown);
    }
  }

  release(): void {
    this.seat.letGoOf(this);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.seat.forgetChannel(this);
  }

  tell(message: object): void {
    if (!this.#closed) this.#listener.send(JSON.stringify(message));
  }

  /** Answers what has thrown. */
  refuse(thrown: unknown): void {
    const code = codeOf(thrown);
    if (code === undefined) {
      this.#logger.error({ err: asError(thrown) }, 'input failed');
      return;
    }
    this.tell({ type: 'error', code, message: asError(thrown).message });
  }
}

function codeOf(thrown: unknown): InputErrorCode | undefined {
  if (thrown instanceof InputError) return thrown.code;
  if (!(thrown instanceof StreamKitError)) return undefined;
  return thrown.code === 'forbidden' ? 'forbidden' : 'bad_input';
}
