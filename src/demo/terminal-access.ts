import { isIP } from 'node:net';

import type { RequestValidation, StreamKitOptions } from '../index.js';
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
 * The options with a guard for terminals that nobody else guards. A page of anywhere may let the name of its own server
 * stand for an address of this machine (DNS rebinding), and is then of the same origin as this server, whose terminals
 * it could use: so requests for names are refused.
 */
export function guardTerminals(options: StreamKitOptions): StreamKitOptions {
  if (isGuarded(options) || terminalOffer(options) === null) return options;
  return { ...options, validateRequest: ({ headers }) => validation(headers) };
}

/** @throws Error where everyone who reaches `host` would get a shell. */
export function checkTerminalHost(host: string, options: StreamKitOptions): void {
  if (isGuarded(options) || isLoopback(host)) return;
  throw new Error(
    `Expected 127.0.0.1, ::1 or localhost for --host beside --terminal, which gives a shell to whoever reaches it, but received ${host}; a configuration with validateRequest may have any`,
  );
}

function isGuarded(options: StreamKitOptions): boolean {
  return Object.hasOwn(options, 'validateRequest') && options.validateRequest !== undefined;
}

function validation(headers: Headers | { host?: string | undefined }): RequestValidation {
  const host = headers instanceof Headers ? headers.get('host') : headers.host;
  if (isAddress(host ?? '')) return { authorized: true };
  const error =
    'A server with terminals and without validateRequest is reached by its address or localhost alone';
  return { authorized: false, status: 403, error };
}

/** Not a name that somebody else may give to an address of this machine (RFC 6761 section 6.3). */
function isAddress(host: string): boolean {
  const name = URL.canParse(`http://${host}`) ? new URL(`http://${host}`).hostname : '';
  return name === 'localhost' || name.endsWith('.localhost') || isIP(name.replace(/^\[|\]$/g, '')) !== 0;
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}
