import { asError } from '../base/errors.js';
import { InputError } from '../input/input-error.js';
import type { InputMessage } from '../input/input-message.js';
import type { ControllerKey, InputTarget } from '../input/input-target.js';
import type { Logger } from '../base/logger.js';
import type { ResolvedTerminalOptions } from '../options/terminal-options.js';
import { HeldModifiers } from './held-modifiers.js';
import type { HeldModifiers as Modifiers, Terminal } from './terminal.js';

export interface TerminalInputParameters {
  readonly options: Pick<ResolvedTerminalOptions, 'maxCols' | 'maxRows'>;
  readonly logger: Logger;
  /** Somebody types. */
  readonly onInput: () => void;
}

/** How much input may wait for the terminal to run, bytes of JSON; more is refused. */
const MAX_EARLY_BYTES = 128 * 1024;

/** The input of those that control a terminal: as on any other, one may type before it is ready. */
export class TerminalInput implements InputTarget {
  readonly #parameters: TerminalInputParameters;
  readonly #held = new WeakMap<ControllerKey, HeldModifiers>();
  #terminal: Terminal | undefined;
  #early: ((terminal: Terminal) => void)[] = [];
  #earlyBytes = 0;
  #closed = false;

  constructor(parameters: TerminalInputParameters) {
    this.#parameters = parameters;
  }

  accept(controller: ControllerKey, message: InputMessage): void {
    if (this.#closed) throw new InputError('bad_input', 'The terminal has ended');
    const { options, onInput } = this.#parameters;
    const { maxCols, maxRows } = options;
    const held = this.#held.get(controller) ?? new HeldModifiers();
    this.#held.set(controller, held);
    if (message.type === 'keyboard' && (held.note(message) || held.meta)) return;
    if (message.type === 'resize' && message.unit === 'cells') {
      if (message.cols > maxCols || message.rows > maxRows) {
        throw new InputError('bad_input', `Expected at most ${maxCols} cols and ${maxRows} rows`);
      }
    }
    if (this.#terminal === undefined) this.#wait(message, held);
    else this.#give(this.#terminal, message, held);
    onInput();
  }

  /** The terminal runs: it gets what has waited for it. Once. */
  begin(terminal: Terminal): void {
    this.#terminal = terminal;
    for (const give of this.#early.splice(0)) give(terminal);
  }

  /** Modifier keys are the client's alone: no key of a terminal is down. */
  release(controller: ControllerKey): void {
    this.#held.delete(controller);
  }

  close(): void {
    this.#closed = true;
    this.#early = [];
  }

  #give(terminal: Terminal, message: InputMessage, held: Modifiers): void {
    terminal.input(message, held).catch((thrown: unknown) => this.#refuse(thrown));
  }

  #wait(message: InputMessage, { ctrl, alt, shift }: Modifiers): void {
    const bytes = Buffer.byteLength(JSON.stringify(message));
    if (this.#earlyBytes + bytes > MAX_EARLY_BYTES) {
      throw new InputError('bad_input', 'Too much input waits for the terminal');
    }
    this.#earlyBytes += bytes;
    this.#early.push((terminal) => {
      try {
        // As they were held then.
        this.#give(terminal, message, { ctrl, alt, shift });
      } catch (thrown) {
        // It is too late to tell whoever sent it.
        this.#refuse(thrown);
      }
    });
  }

  #refuse(thrown: unknown): void {
    this.#parameters.logger.debug({ err: asError(thrown) }, 'a terminal did not take its input');
  }
}
