import type { Clock } from '../base/clock.js';
import { pause } from '../base/deadline.js';
import { asError, StreamKitError } from '../base/errors.js';
import type { PageEvent } from '../protocol/page-events.js';
import type { PageControls, PageSize } from '../render/capture/page-controls.js';
import type { ControlSeat, SeatListener } from '../input/control-seat.js';
import type { InputMessage } from '../input/input-message.js';
import type { InputTarget } from '../input/input-target.js';
import type { OpenRemoteControl, RemoteControl } from '../input/remote-control.js';
import type { Logger } from '../base/logger.js';
import { AUTOMATION_ID } from '../protocol/rights.js';
import type { ProgramInput } from '../render/capture/program-input.js';
import type { Caller } from './caller.js';
import { viewerRoleOf } from './caller.js';
import { ProgramControl } from './program-control.js';

export interface SessionControlParameters {
  readonly streamId: string;
  readonly openRemoteControl: OpenRemoteControl;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface SessionControlListener {
  /** Another viewer, or the application, is the controller, or nobody is. */
  onController(publicId: string | null): void;
  /** A viewer asks for the control that the application has. Pages only, as is the next. */
  onAsked?(publicId: string): void;
  /** The input of DevTools clients is to be handled in another way. */
  onProgramInput?(input: ProgramInput): void;
  /** A controller sent input that is carried out. */
  onInput(publicId: string, message: InputMessage): void;
  /** A controller wants the picture in another size, pixels, even. */
  resize(size: { width: number; height: number }): Promise<void>;
}

/** Opens the seat of one client. */
export type OpenSeat = (listener: SeatListener) => ControlSeat;

/** A picture in another size costs a keyframe and more: a window that is being dragged asks for hundreds, ms. */
const RESIZE_INTERVAL_MS = 250;

/** Who controls a session, and what they want of it beyond its page. */
export class SessionControl {
  readonly #parameters: SessionControlParameters;
  readonly #listener: SessionControlListener;
  readonly #remote: RemoteControl;
  /** The part of the application. */
  readonly program: ProgramControl;
  readonly #callers = new WeakMap<ControlSeat, Caller>();
  /** The latest that was asked for. */
  #wanted: { width: number; height: number } | undefined;
  #isResizing = false;
  #closed = false;

  constructor(parameters: SessionControlParameters, listener: SessionControlListener) {
    this.#parameters = parameters;
    this.#listener = listener;
    this.#remote = parameters.openRemoteControl({
      streamId: parameters.streamId,
      resize: (seat, size) => this.#resize(seat, size),
      onController: (publicId) => {
        if (!this.#closed) listener.onController(publicId);
      },
      onInput: (publicId, message) => listener.onInput(publicId, message),
      logger: parameters.logger,
    });
    const automation = {
      publicId: AUTOMATION_ID,
      permittedRole: 'controller',
      callerContext: undefined,
    } as const;
    this.program = new ProgramControl({
      openSeat: (seatListener) => this.#remote.seat(automation, seatListener),
      isAutomated: this.#remote.isAutomated,
      onInput: (input) => listener.onProgramInput?.(input),
      onAsked: (publicId) => listener.onAsked?.(publicId),
    });
  }

  /** @param viewer - the public number of the client. */
  openSeat(publicId: string, caller: Caller): OpenSeat {
    return (listener) => {
      const member = { publicId, permittedRole: viewerRoleOf(caller), callerContext: caller.context };
      const seat = this.#remote.seat(member, listener);
      this.#callers.set(seat, caller);
      return seat;
    };
  }

  /** The page is captured. Once. */
  goLive(controls: PageControls): void {
    this.#remote.goLive(controls);
    this.program.goLive();
  }

  /** A terminal is controlled, and no page. Once. */
  setTarget(target: InputTarget): void {
    this.#remote.setTarget(target);
  }

  showCursor(css: string): void {
    this.#remote.showCursor(css);
  }

  showPageEvent(event: PageEvent): void {
    this.#remote.showPageEvent(event);
  }

  showClipboard(text: string): void {
    this.#remote.showClipboard(text);
  }

  /** Idempotent. */
  close(): void {
    this.#closed = true;
    this.#wanted = undefined;
    this.program.close();
    this.#remote.close();
  }

  #resize(seat: ControlSeat, { width, height }: PageSize): PageSize {
    const { maxPixels = Infinity } = this.#callers.get(seat)?.limits ?? {};
    if (width * height > maxPixels) {
      throw new StreamKitError('forbidden', `Expected at most ${maxPixels} pixels of this client`);
    }
    // All codecs are sent with colour for every other pixel (4:2:0).
    const size = { width: width - (width % 2), height: height - (height % 2) };
    this.#wanted = size;
    if (!this.#isResizing) void this.#resizeAll();
    return size;
  }

  async #resizeAll(): Promise<void> {
    const { clock, logger } = this.#parameters;
    this.#isResizing = true;
    for (let size = this.#wanted; size !== undefined; size = this.#wanted) {
      this.#wanted = undefined;
      try {
        await this.#listener.resize(size);
      } catch (thrown) {
        logger.warn({ err: asError(thrown), ...size }, 'the picture was not resized');
      }
      await pause(clock, RESIZE_INTERVAL_MS);
    }
    this.#isResizing = false;
  }
}
