import { StreamKitError } from '../base/errors.js';
import type { ControlSeat, SeatListener } from '../input/control-seat.js';
import type { ProgramInput } from '../render/capture/program-input.js';

export interface ProgramControlParameters {
  readonly openSeat: (listener: SeatListener) => ControlSeat;
  /** The policy gives the application control whenever no viewer has it. */
  readonly isAutomated: boolean;
  /** The input of DevTools clients is to be handled in another way. */
  readonly onInput: (input: ProgramInput) => void;
  /** A viewer asks for the control that the application has. */
  readonly onAsked: (publicId: string) => void;
}

/**
 * The part that the application, with its DevTools clients, has in the control of a session. With `control.policy: 'automation'`
 * it takes part from the beginning; otherwise from the first call of {@link request} or {@link handOver} on, and until then the
 * input of DevTools clients mixes with that of the controller. While it does not have control, their input waits (policy
 * `automation`) or is refused.
 */
export class ProgramControl {
  readonly #parameters: ProgramControlParameters;
  readonly #seat: ControlSeat;
  readonly #untilGranted = new Set<{ resolve: () => void; reject: (reason: unknown) => void }>();
  #input: ProgramInput;
  #takesPart: boolean;
  #closed = false;

  /** For the session alone. */
  constructor(parameters: ProgramControlParameters) {
    this.#parameters = parameters;
    this.#takesPart = parameters.isAutomated;
    this.#input = parameters.isAutomated ? 'hold' : 'pass';
    this.#seat = parameters.openSeat({
      onRole: () => this.#onRole(),
      onAsked: (publicId) => parameters.onAsked(publicId),
    });
  }

  /** Whether the application and its DevTools clients have control now. */
  get hasControl(): boolean {
    return this.#seat.role === 'controller';
  }

  /** What becomes of input of DevTools clients. For the session alone. */
  get input(): ProgramInput {
    return this.#input;
  }

  /**
   * Asks for control as a viewer does: who has it is told that `automation` asks.
   *
   * @returns resolves when the application has control.
   * @throws StreamKitError `forbidden` if the policy says so, `conflict` when the session ends; the reason of `signal`, which also
   * takes the request back.
   */
  async request({ signal }: { readonly signal?: AbortSignal } = {}): Promise<void> {
    signal?.throwIfAborted();
    this.#checkOpen();
    await this.#seat.request();
    this.#takePart();
    await this.#untilControl(signal);
  }

  /** Gives control back: to the viewer that has asked for it the longest, if there is one. */
  release(): void {
    this.#seat.release();
  }

  /** Gives control to a viewer. @throws StreamKitError `forbidden`, `no_such_viewer`. */
  give(publicId: string): void {
    this.#seat.give(publicId);
  }

  /**
   * Gives control back until a viewer has had it: whoever asks for it next gets it, and the application gets it again when
   * that viewer gives it back or goes.
   *
   * @returns resolves when the application has control again.
   * @throws StreamKitError `forbidden` if the policy says so, `conflict` when the session ends; the reason of `signal`.
   */
  async handOver({ signal }: { readonly signal?: AbortSignal } = {}): Promise<void> {
    signal?.throwIfAborted();
    this.#checkOpen();
    this.#seat.lend();
    this.#takePart();
    await this.#untilControl(signal);
  }

  /** There is a page to control. For the session alone. */
  goLive(): void {
    if (this.#parameters.isAutomated) this.#seat.arrive();
  }

  /** For the session alone. Idempotent. */
  close(): void {
    this.#closed = true;
    for (const { reject } of this.#untilGranted) reject(ended());
    this.#untilGranted.clear();
  }

  #checkOpen(): void {
    if (this.#closed) throw ended();
  }

  #takePart(): void {
    this.#takesPart = true;
    this.#tellInput();
  }

  #onRole(): void {
    this.#tellInput();
    if (!this.hasControl) return;
    for (const { resolve } of this.#untilGranted) resolve();
    this.#untilGranted.clear();
  }

  #tellInput(): void {
    const without = this.#parameters.isAutomated ? 'hold' : 'refuse';
    const input = !this.#takesPart || this.hasControl ? 'pass' : without;
    if (input === this.#input) return;
    this.#input = input;
    this.#parameters.onInput(input);
  }

  /** Nobody is to be given control for who no longer waits for it. */
  #withdraw(): void {
    if (this.#untilGranted.size === 0) this.#seat.release();
  }

  async #untilControl(signal: AbortSignal | undefined): Promise<void> {
    if (this.hasControl) return;
    this.#checkOpen();
    if (signal?.aborted === true) this.#withdraw();
    signal?.throwIfAborted();
    let giveUp = (): void => undefined;
    const granted = new Promise<void>((resolve, reject) => {
      const waiting = { resolve, reject };
      this.#untilGranted.add(waiting);
      giveUp = () => {
        this.#untilGranted.delete(waiting);
        this.#withdraw();
        reject(signal?.reason as Error);
      };
    });
    signal?.addEventListener('abort', giveUp);
    await granted.finally(() => signal?.removeEventListener('abort', giveUp));
  }
}

function ended(): StreamKitError {
  return new StreamKitError('conflict', 'The session has ended');
}
