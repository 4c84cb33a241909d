import type { InputMessage } from '../input/input-message.js';
import type { LogContext } from '../base/logger.js';

/** How a terminal's command ended. */
export interface TerminalExit {
  /** As a shell has it: 128 and the number of the signal where one ended it. Null: it is not known. */
  readonly status: number | null;
  /** The signal that the status stands for, such as `SIGKILL`; null: for none. */
  readonly signal: string | null;
}

export interface TerminalListener {
  /** What the program wrote, as it wrote it. The bytes do not change afterwards. */
  onOutput(bytes: Uint8Array): void;
  /** Part of the output is missing here: only a snapshot shows the screen as it is. */
  onGap(): void;
  onResize(cols: number, rows: number): void;
  /** The command has ended; no output comes any more. Once, unless it was closed before. */
  onExit(exit: TerminalExit): void;
  /** The terminal is lost. Once, in place of `onExit`. */
  onFailed(error: Error): void;
}

/** A running terminal. Its program goes on while nobody reads. */
export interface Terminal {
  /** Process id of the command. */
  readonly pid: number;
  readonly cols: number;
  readonly rows: number;
  /**
   * Does what a message of a client says, after all that came before it.
   *
   * @param modifiers - those that the client holds down.
   * @throws InputError `bad_input` for what a terminal cannot take, or where too much waits.
   */
  input(message: InputMessage, modifiers: HeldModifiers): Promise<void>;
  /**
   * What draws the screen as it is now: text and escapes for a terminal of the same size.
   *
   * @param onTaken - called at the very place of the output at which it was taken.
   */
  snapshot(onTaken: () => void): Promise<Uint8Array>;
  /**
   * Idempotent; the first call counts.
   *
   * @param end - `kill`: the program with all that it started; `leave`: it goes on, where it can be found again.
   */
  close(end: 'kill' | 'leave'): Promise<void>;
}

/** Modifier keys that a client holds down. */
export interface HeldModifiers {
  readonly ctrl: boolean;
  readonly alt: boolean;
  readonly shift: boolean;
}

/** A terminal as it is to be opened. */
export type TerminalTarget =
  | {
      readonly kind: 'new';
      readonly id: string;
      readonly command: readonly [string, ...string[]];
      readonly cols: number;
      readonly rows: number;
      readonly cwd: string;
      readonly env: Readonly<Record<string, string>>;
    }
  /** One that an earlier run of the server has left. */
  | { readonly kind: 'left'; readonly id: string }
  /** One of somebody else. */
  | { readonly kind: 'attached'; readonly name: string };

/**
 * Opens a terminal. A listener may be told of output before it resolves, and of nothing else.
 *
 * @throws StreamKitError `terminal_failed`, `no_such_session` for one that is to be there and is not, or the reason of
 * the signal.
 */
export type OpenTerminal = (
  target: TerminalTarget,
  listener: TerminalListener,
  signal: AbortSignal,
  logContext: LogContext,
) => Promise<Terminal>;
