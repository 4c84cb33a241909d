import type { Clock } from '../base/clock.js';
import type { InputMessage } from './input-message.js';

/** How long after a copy what the page copies is the answer to it: Chromium's own lifetime of a user activation. */
const RECENT_US = 5_000_000;

/** Notes when a controller copies or cuts, so that a page cannot fill its clipboard at any other time. */
export class CopyWatch {
  readonly #clock: Clock;
  readonly #countsPresses: boolean;
  readonly #modifiers = new Set<string>();
  #untilUs = -Infinity;

  /** @param countsPresses - whether any press counts, such as one on a button of the page that copies. */
  constructor(clock: Clock, countsPresses: boolean) {
    this.#clock = clock;
    this.#countsPresses = countsPresses;
  }

  /** Whether the controller has copied just now. */
  get isRecent(): boolean {
    return this.#clock.nowUs() < this.#untilUs;
  }

  accept(message: InputMessage): void {
    if (message.type === 'keyboard' && /^(?:Control|Meta|Shift)$/.test(message.key)) {
      if (message.action === 'down') this.#modifiers.add(message.key);
      else this.#modifiers.delete(message.key);
    }
    if (this.#isCopy(message) || (this.#countsPresses && isPress(message)))
      this.#untilUs = this.#clock.nowUs() + RECENT_US;
  }

  #isCopy(message: InputMessage): boolean {
    if (message.type === 'key') {
      const { key, ctrl, shift } = message.named;
      return isCopyKey(key, ctrl, shift);
    }
    if (message.type !== 'keyboard' || message.action !== 'down') return false;
    const isCommand = this.#modifiers.has('Control') || this.#modifiers.has('Meta');
    return isCopyKey(message.key, isCommand, this.#modifiers.has('Shift'));
  }
}

function isCopyKey(key: string, isCommand: boolean, isShifted: boolean): boolean {
  if (key === 'Copy' || key === 'Cut') return true;
  return isCommand ? /^(?:[cx]|Insert)$/i.test(key) : isShifted && key === 'Delete';
}

function isPress(message: InputMessage): boolean {
  if (message.type === 'pointer' || message.type === 'keyboard') return message.action === 'down';
  return message.type === 'key' || (message.type === 'touch' && message.action === 'end');
}
