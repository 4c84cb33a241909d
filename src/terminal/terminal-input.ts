import { asError } from '../base/errors.js';
import { InputError } from '../input/input-error.js';
import type { InputMessage } from '../input/input-message.js';
import type { ControllerKey, InputTarget } from '../input/input-target.js';
import type { Logger } from '../base/logger.js';
import type { ResolvedTerminalOptions } from '../options/terminal-options.js';
import { HeldModifiers } from './held-modifiers.js';
import type { Terminal } from './terminal.js';

export interface TerminalInputParameters {
  readonly terminal: Terminal;
  readonly options: Pick<ResolvedTerminalOptions, 'maxCols' | 'maxRows'>;
  readonly logger: Logger;
  /** Somebody types. */
  readonly onInput: () => void;
}

/** The input of those that control a terminal. */
export class TerminalInput implements InputTarget {
  readonly #parameters: TerminalInputParameters;
  readonly #held = new WeakMap<ControllerKey, HeldModifiers>();
  #closed = false;

  constructor(parameters: TerminalInputParameters) {
    this.#parameters = parameters;
  }

  accept(controller: ControllerKey, message: InputMessage): void {
    if (this.#closed) throw new InputError('bad_input', 'The terminal has ended');
    const { terminal, options, logger, onInput } = this.#parameters;
    const { maxCols, maxRows } = options;
    const held = this.#held.get(controller) ?? new HeldModifiers();
    this.#held.set(controller, held);
    if (message.type === 'keyboard' && (held.note(message) || held.meta)) return;
    if (message.type === 'resize' && message.unit === 'cells') {
      if (message.cols > maxCols || message.rows > maxRows) {
        throw new InputError('bad_input', `Expected at most ${maxCols} cols and ${maxRows} rows`);
      }
    }
    onInput();
    terminal.input(message, held).catch((thrown: unknown) => {
      logger.debug({ err: asError(thrown) }, 'a terminal did not take its input');
    });
  }

  /** Modifier keys are the client's alone: no key of a terminal is down. */
  release(controller: ControllerKey): void {
    this.#held.delete(controller);
  }

  close(): void {
    this.#closed = true;
  }
}
