import type { ViewerRole } from '../access-options.js';
import type { PageControls } from '../capture/page-controls.js';
import type { Clock } from '../clock.js';
import type { ResolvedControlOptions } from '../control-options.js';
import { asError, StreamKitError } from '../errors.js';
import type { Logger } from '../logger.js';
import { ControlGroup, type ControlMember } from './control-group.js';
import { InputError, type InputErrorCode } from './input-error.js';
import { parseInput, parseTypedMessage, type TypedMessage } from './input-message.js';
import type { InputTarget } from './input-target.js';
import { PageInput } from './page-input.js';
import { TokenBucket } from '../token-bucket.js';

/** What a client is told of control. */
export interface RoleState {
  readonly role: ViewerRole;
  /** The one that has had control the longest, by its public id; absent where nobody has. */
  readonly controllerId?: string;
}

/** What a seat tells the client that sits in it. */
export interface SeatListener {
  /** The role of this one, or the controller, is another. */
  onRole(roles: RoleState): void;
  /** Another viewer asks this one, which has control, to give it. */
  onAsked(publicId: string): void;
  /** Sends a text message. False: there is no channel, or it is full. */
  send(text: string): boolean;
  /** It sends more than it may: the channel is to be closed. */
  onExcess(): void;
}

/** One client of a session, as far as it may control it: one for the data channel and the WebSocket. */
export interface ControlSeat extends ControlMember {
  readonly role: ViewerRole;
  /** It is there, and may be given control. Idempotent. */
  arrive(): void;
  /** A text message of its channel. Never throws. */
  onText(text: string): void;
  /** One that was parsed already, and counted by {@link admit}. */
  onMessage(message: TypedMessage): void;
  /** Counts a message against what the client may send. False: it is too much, and `onExcess` was called. */
  admit(text: string): boolean;
  /** The channel is open: tells it the role. */
  onChannelOpen(): void;
  /** The channel is gone: lets go of what was held over it. */
  onChannelClosed(): void;
  /** @throws StreamKitError `forbidden`. */
  request(): Promise<void>;
  release(): void;
  /** @param to - a public id. @throws StreamKitError `forbidden`, `no_such_viewer`. */
  give(to: string): void;
  /** It is gone. Idempotent. */
  leave(): void;
}

export interface RemoteControlParameters {
  readonly streamId: string;
  /** Asks for another size of the picture. @throws InputError where it may not be. */
  readonly resize: (seat: ControlSeat, size: { width: number; height: number }) => void;
  /** The controller is another, by its public id. */
  readonly onController: (publicId: string | null) => void;
  readonly logger: Logger;
}

/** The control of one session. */
export interface RemoteControl {
  seat(member: ControlMember, listener: SeatListener): ControlSeat;
  /** The page is there. Once. */
  goLive(controls: PageControls): void;
  /** What is controlled is no page. Once, in place of {@link goLive}. */
  goLiveTo(target: InputTarget): void;
  /** Tells the controllers the shape of the pointer: a keyword of the CSS property `cursor`. */
  showCursor(css: string): void;
  /** Tells the controllers what was copied. */
  showClipboard(text: string): void;
  /** Idempotent. */
  close(): void;
}

export type OpenRemoteControl = (parameters: RemoteControlParameters) => RemoteControl;

/** What one client may send: four times what a mouse of 1000 Hz does. Beyond it its channel is closed. */
const MESSAGES_PER_SECOND = 4000;
const MESSAGES_AT_ONCE = 8000;
const BYTES_PER_SECOND = 1024 * 1024;
const BYTES_AT_ONCE = 2 * 1024 * 1024;

export function createRemoteControl(options: ResolvedControlOptions, clock: Clock): OpenRemoteControl {
  return (parameters) => new SessionControl(options, clock, parameters);
}

class SessionControl implements RemoteControl {
  readonly #parameters: RemoteControlParameters;
  readonly #clock: Clock;
  readonly #seats = new Set<Seat>();
  readonly group: ControlGroup<Seat>;
  target: InputTarget | undefined;
  #cursor = 'default';
  closed = false;

  constructor(options: ResolvedControlOptions, clock: Clock, parameters: RemoteControlParameters) {
    this.#parameters = parameters;
    this.#clock = clock;
    this.group = new ControlGroup<Seat>(parameters.streamId, options, {
      onRole: (seat, role) => {
        if (role === 'viewer') this.target?.release(seat);
        seat.tellRole();
        if (role === 'controller' && this.#cursor !== 'default')
          seat.tell({ type: 'cursor', css: this.#cursor });
      },
      onController: (publicId) => {
        parameters.onController(publicId);
        for (const seat of this.#seats) seat.tellRole();
      },
      onAsked: (seat, by) => seat.listener.onAsked(by.publicId),
    });
  }

  seat(member: ControlMember, listener: SeatListener): ControlSeat {
    const seat = new Seat(member, listener, this, this.#clock, this.#parameters.logger);
    this.#seats.add(seat);
    return seat;
  }

  goLive(controls: PageControls): void {
    if (this.closed) return;
    const { logger, resize } = this.#parameters;
    this.target = new PageInput({
      controls,
      resize: (seat, size) => resize(seat as Seat, size),
      clock: this.#clock,
      logger,
    });
  }

  goLiveTo(target: InputTarget): void {
    if (!this.closed) this.target = target;
  }

  showCursor(css: string): void {
    this.#cursor = css;
    for (const seat of this.group.controllers()) seat.tell({ type: 'cursor', css });
  }

  showClipboard(text: string): void {
    for (const seat of this.group.controllers()) seat.tell({ type: 'clipboard', text });
  }

  forget(seat: Seat): void {
    this.#seats.delete(seat);
    this.target?.release(seat);
    this.group.leave(seat);
  }

  close(): void {
    this.closed = true;
    this.target?.close();
    this.#seats.clear();
  }
}

class Seat implements ControlSeat {
  readonly publicId: string;
  readonly permittedRole: ViewerRole;
  readonly callerContext: ControlMember['callerContext'];
  readonly listener: SeatListener;
  readonly #control: SessionControl;
  readonly #logger: Logger;
  readonly #messages: TokenBucket;
  readonly #bytes: TokenBucket;
  #told = '';
  #isGone = false;
  #isExcessive = false;

  constructor(
    member: ControlMember,
    listener: SeatListener,
    control: SessionControl,
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
    this.#bytes = new TokenBucket(clock, BYTES_PER_SECOND, BYTES_AT_ONCE);
    this.#told = this.#roleKey();
  }

  get role(): ViewerRole {
    return this.#control.group.isController(this) ? 'controller' : 'viewer';
  }

  arrive(): void {
    if (!this.#isGone && !this.#control.closed) this.#control.group.join(this);
  }

  admit(text: string): boolean {
    if (this.#isExcessive) return false;
    // A text has at least a byte for each of its UTF-16 units, and this is no more than a bound.
    if (this.#messages.take(1) && this.#bytes.take(text.length)) return true;
    this.#isExcessive = true;
    this.#logger.warn({ publicId: this.publicId }, 'a client sends more input than it may, and is cut off');
    this.listener.onExcess();
    return false;
  }

  onText(text: string): void {
    if (!this.admit(text)) return;
    try {
      this.onMessage(parseTypedMessage(text));
    } catch (thrown) {
      this.#refuse(thrown);
    }
  }

  onMessage(message: TypedMessage): void {
    if (this.#isGone || this.#control.closed) return;
    try {
      this.#accept(message);
    } catch (thrown) {
      this.#refuse(thrown);
    }
  }

  onChannelOpen(): void {
    this.#isExcessive = false;
    this.tell({ type: 'role', ...this.#roles(), publicId: this.publicId });
  }

  onChannelClosed(): void {
    this.#control.target?.release(this);
  }

  request(): Promise<void> {
    this.arrive();
    return this.#control.group.request(this);
  }

  release(): void {
    this.#control.group.release(this);
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
  }

  /** Where it, or the controller, has changed. */
  tellRole(): void {
    const key = this.#roleKey();
    if (key === this.#told || this.#isGone) return;
    this.#told = key;
    const roles = this.#roles();
    this.listener.onRole(roles);
    this.tell({ type: 'role', ...roles });
  }

  tell(message: object): void {
    if (!this.#isGone) this.listener.send(JSON.stringify(message));
  }

  #roles(): RoleState {
    const { controllerId } = this.#control.group;
    return { role: this.role, ...(controllerId === null ? {} : { controllerId }) };
  }

  #roleKey(): string {
    return JSON.stringify(this.#roles());
  }

  #accept(message: TypedMessage): void {
    switch (message.type) {
      case 'request_control':
        this.request().catch((thrown: unknown) => this.#refuse(thrown));
        return;
      case 'release_control': {
        this.release();
        return;
      }
      case 'give_control': {
        const { viewerId } = message;
        if (typeof viewerId !== 'string') throw new InputError('bad_input', 'Expected string for viewerId');
        this.give(viewerId);
        return;
      }
      default: {
        // What is wrong is told to everyone; what is right does nothing for a viewer.
        const input = parseInput(message);
        if (this.role !== 'controller')
          throw new InputError('forbidden', 'This client is not the controller');
        const { target } = this.#control;
        if (target === undefined) throw new InputError('bad_input', 'There is nothing to control yet');
        target.accept(this, input);
      }
    }
  }

  #refuse(thrown: unknown): void {
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
