import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/logger.js';
import type { ResolvedTerminalOptions } from '../options/terminal-options.js';
import { canAttach, createOpenTerminal } from './open-terminal.js';
import { TerminalInput } from './terminal-input.js';
import type { OpenTerminal } from './terminal.js';
import { TerminalStateFolder } from './terminal-state-folder.js';

/** What terminals are made of. */
export interface TerminalParts {
  readonly options: ResolvedTerminalOptions;
  readonly openTerminal: OpenTerminal;
  readonly createInput: (onInput: () => void) => TerminalInput;
  /**
   * Whether there is a tmux session of somebody else under a name that the options permit.
   *
   * @throws StreamKitError `terminal_failed`: tmux cannot be started.
   */
  readonly canAttach: (name: string) => Promise<boolean>;
  /** Undefined: terminals end with the server. */
  readonly folder: TerminalStateFolder | undefined;
}

/**
 * @param options - undefined: there are none.
 * @throws StreamKitError `bad_option` where the folder of the options cannot be made.
 */
export function openTerminals(
  options: ResolvedTerminalOptions | undefined,
  clock: Clock,
  logger: Logger,
): TerminalParts | undefined {
  if (options === undefined) return undefined;
  const { stateDir, replayBytes } = options;
  return {
    options,
    openTerminal: createOpenTerminal({ options, clock, logger }),
    createInput: (onInput) => new TerminalInput({ options, logger, onInput }),
    canAttach: (name) => canAttach({ options, clock }, name),
    folder: stateDir === undefined ? undefined : new TerminalStateFolder(stateDir, replayBytes, logger),
  };
}
