import type { StreamKitOptions } from '../index.js';
import { isLoopbackAddress } from '../http/local-access.js';
import { terminalOptions } from '../options/terminal-options.js';

/** What the pages are told of terminals; null: there are none. */
export interface TerminalOffer {
  readonly maxCols: number;
  readonly maxRows: number;
}

export function terminalOffer({ terminal }: StreamKitOptions): TerminalOffer | null {
  const resolved = terminal === undefined ? undefined : terminalOptions(terminal, 'terminal');
  return resolved === undefined ? null : { maxCols: resolved.maxCols, maxRows: resolved.maxRows };
}

/**
 * Refuses to listen where other machines reach the server and nothing decides who may use it.
 *
 * @param host - as in `--host`.
 * @throws Error that names the ways out.
 */
export function checkHost(host: string, options: StreamKitOptions): void {
  const isValidated = Object.hasOwn(options, 'validateRequest') && options.validateRequest !== undefined;
  if (isValidated || options.allowAnonymous === true) return;
  if (host === 'localhost' || isLoopbackAddress(host)) return;
  throw new Error(
    `Expected 127.0.0.1, ::1 or localhost for --host but received ${host}, where whoever reaches this server could use it. ` +
      'Pass --config with a file that has validateRequest, or --allow-anonymous to let everybody in',
  );
}
