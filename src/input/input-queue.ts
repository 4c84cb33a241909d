import { asError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { InputError } from './input-error.js';

/** One thing that is done to a page. */
export interface InputStep {
  /** Of the devices whose events must not overtake each other. */
  readonly device: 'mouse' | 'touch' | 'other';
  /**
   * `move`: stands for itself alone until the next of its kind, with which it may be merged, or be left out where there is
   * no room; `press`: refused where there is no room; `release`: always taken.
   */
  readonly kind: 'move' | 'press' | 'release';
  /** This one and a later one in one. Undefined: they are two. */
  merge?(later: InputStep): InputStep | undefined;
  /** Resolves when the page has had it. */
  run(): Promise<unknown>;
}

/** Presses that wait at most: what a person does in several seconds. Releases are no more than there are presses. */
const MAX_WAITING = 256;

/**
 * What waits for a page, in order. A page takes input once a frame, and one that is busy takes none for a while: moves that
 * follow each other become one, presses are refused when 256 wait, and releases are never lost.
 */
export class InputQueue {
  readonly #logger: Logger;
  #waiting: InputStep[] = [];
  #isRunning = false;
  #onOvertaken: (() => void) | undefined;
  #closed = false;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  get length(): number {
    return this.#waiting.length;
  }

  /** @throws InputError `bad_input` for a press for which there is no room; nothing has changed then. */
  push(step: InputStep): void {
    if (this.#closed) return;
    const last = this.#waiting.at(-1);
    const merged = last?.merge?.(step);
    if (merged !== undefined) {
      this.#waiting[this.#waiting.length - 1] = merged;
      return;
    }
    if (this.#waiting.length >= MAX_WAITING && step.kind !== 'release') {
      if (step.kind === 'move') return;
      throw new InputError('bad_input', 'The page does not take its input, and no more can wait');
    }
    this.#waiting.push(step);
    if (step.device === 'mouse' && step.kind !== 'move') this.#onOvertaken?.();
    if (!this.#isRunning) void this.#run();
  }

  /** What waits is dropped. */
  close(): void {
    this.#closed = true;
    this.#waiting = [];
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    for (let step = this.#waiting.shift(); step !== undefined; step = this.#waiting.shift()) {
      const done = step.run().catch((thrown: unknown) => {
        // A page that is being replaced has nobody to take it.
        this.#logger.debug({ err: asError(thrown) }, 'input was not taken');
      });
      if (step.device === 'mouse' && step.kind === 'move') await this.#untilDoneOrPressed(done);
      else await done;
    }
    this.#isRunning = false;
  }

  /** A move is over with the next frame. A press does not wait for that: the browser keeps the order of one device. */
  async #untilDoneOrPressed(done: Promise<unknown>): Promise<void> {
    const [next] = this.#waiting;
    if (next?.device === 'mouse' && next.kind !== 'move') return;
    const overtaken = new Promise<void>((resolve) => {
      this.#onOvertaken = resolve;
    });
    await Promise.race([done, overtaken]);
    this.#onOvertaken = undefined;
  }
}
