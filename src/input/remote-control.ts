import type { PageControls, PageSize } from '../render/capture/page-controls.js';
import { harmlessAnswer, isPrompt, type PageEvent } from '../protocol/page-events.js';
import type { Clock } from '../base/clock.js';
import type { ResolvedControlOptions } from '../options/control-options.js';
import type { Logger } from '../base/logger.js';
import { ControlGroup, type ControlMember } from './control-group.js';
import { Channel, type ControlSeat, Seat, type SeatControl, type SeatListener } from './control-seat.js';
import type { InputMessage } from './input-message.js';
import type { InputTarget } from './input-target.js';
import { PageEventState } from './page-event-state.js';
import { PageInput } from './page-input.js';

export interface RemoteControlParameters {
  readonly streamId: string;
  /**
   * Asks for another size of the picture.
   *
   * @returns the size that it will have. @throws InputError where it may not be.
   */
  readonly resize: (seat: ControlSeat, size: PageSize) => PageSize;
  /** The controller is another, by its public id. */
  readonly onController: (publicId: string | null) => void;
  /** A controller sent input that is carried out. */
  readonly onInput: (publicId: string, message: InputMessage) => void;
  readonly logger: Logger;
}

/** The control of one session. */
export interface RemoteControl {
  /** The policy gives the application control whenever no viewer has it. */
  readonly isAutomated: boolean;
  seat(member: ControlMember, listener: SeatListener): ControlSeat;
  /** The page is there. Once. */
  goLive(controls: PageControls): void;
  /** What is controlled is no page. Once, in place of {@link goLive}. */
  setTarget(target: InputTarget): void;
  /** Tells the controllers the shape of the pointer: a keyword of the CSS property `cursor`. */
  showCursor(css: string): void;
  /** Tells the controllers that have just copied or cut what was copied. */
  showClipboard(text: string): void;
  /** Tells the controllers what the page asks or tells. */
  showPageEvent(event: PageEvent): void;
  /** Idempotent. */
  close(): void;
}

export type OpenRemoteControl = (parameters: RemoteControlParameters) => RemoteControl;

export function createRemoteControl(options: ResolvedControlOptions, clock: Clock): OpenRemoteControl {
  return (parameters) => new SharedControl(options, clock, parameters);
}

class SharedControl implements RemoteControl, SeatControl {
  readonly #parameters: RemoteControlParameters;
  readonly #options: ResolvedControlOptions;
  readonly #clock: Clock;
  readonly #seats = new Set<Seat>();
  readonly group: ControlGroup<Seat>;
  target: InputTarget | undefined;
  #controls: PageControls | undefined;
  readonly #state = new PageEventState();
  cursor = 'default';
  closed = false;

  constructor(options: ResolvedControlOptions, clock: Clock, parameters: RemoteControlParameters) {
    this.#parameters = parameters;
    this.#options = options;
    this.#clock = clock;
    this.group = new ControlGroup<Seat>(parameters.streamId, options, {
      onRole: (seat, role) => {
        if (role === 'viewer') seat.letGo();
        seat.tellRole();
        seat.tellCursor();
      },
      onController: (publicId) => {
        parameters.onController(publicId);
        for (const seat of this.#seats) seat.tellRole();
      },
      onAsked: (seat, by) => seat.listener.onAsked(by.publicId),
    });
  }

  get isAutomated(): boolean {
    return this.#options.policy === 'automation';
  }

  get copiesByPress(): boolean {
    return this.#options.clipboard === 'press';
  }

  seat(member: ControlMember, listener: SeatListener): ControlSeat {
    const seat = new Seat(member, listener, this, this.#clock, this.#parameters.logger);
    this.#seats.add(seat);
    return seat;
  }

  goLive(controls: PageControls): void {
    if (this.closed) return;
    const { logger, resize } = this.#parameters;
    this.#controls = controls;
    this.target = new PageInput({
      controls,
      resize: (controller, size) => {
        if (!(controller instanceof Channel)) return;
        const { width, height } = resize(controller.seat, size);
        if (width !== size.width || height !== size.height)
          controller.seat.tell({ type: 'resize', width, height });
      },
      browserShortcuts: this.#options.browserShortcuts,
      clock: this.#clock,
      logger,
    });
  }

  setTarget(target: InputTarget): void {
    if (!this.closed) this.target = target;
  }

  showCursor(css: string): void {
    this.cursor = css;
    for (const seat of this.group.controllers()) seat.tell({ type: 'cursor', css });
  }

  showClipboard(text: string): void {
    for (const seat of this.group.controllers()) seat.tellCopied({ type: 'clipboard', text });
  }

  get pageEvents(): readonly PageEvent[] {
    return this.#state.events;
  }

  showPageEvent(event: PageEvent): void {
    if (event.type === 'clipboard_image') {
      if (this.#options.clipboardImages) for (const seat of this.group.controllers()) seat.tellImage(event);
      return;
    }
    if (event.type === 'refused' && event.what === 'clipboard') {
      for (const seat of this.group.controllers()) seat.tellCopied(event);
      return;
    }
    this.#state.accept(event);
    const told = this.group.controllers().map((seat) => seat.tell(event));
    // Nobody will answer: the page is not kept waiting.
    if (isPrompt(event) && !told.includes(true)) this.#controls?.answer(harmlessAnswer(event));
  }

  onInput(seat: Seat, message: InputMessage): void {
    this.#parameters.onInput(seat.publicId, message);
  }

  forget(seat: Seat): void {
    this.#seats.delete(seat);
    seat.letGo();
    this.group.leave(seat);
  }

  close(): void {
    this.closed = true;
    this.target?.close();
    this.#seats.clear();
  }
}
