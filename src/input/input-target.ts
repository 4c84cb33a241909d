import type { InputMessage } from './input-message.js';

/** Stands for one controller: two are the same where they are the same object. */
export type ControllerKey = object;

/** What is controlled: a page, or a terminal. */
export interface InputTarget {
  /**
   * Does what a message says, now or when what was said before is done.
   *
   * @throws InputError `bad_input` where the message does not apply; nothing has changed then.
   */
  accept(controller: ControllerKey, message: InputMessage): void;
  /** Lets go of whatever the controller holds. */
  release(controller: ControllerKey): void;
  /** Idempotent. */
  close(): void;
}
