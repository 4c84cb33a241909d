import { realpathSync } from 'node:fs';
import { sep } from 'node:path';

import { StreamKitError } from '../base/errors.js';
import { expectation, isPlainObject } from '../options/option-checks.js';
import type { ResolvedTerminalOptions } from '../options/terminal-options.js';
import { isArgument, isVariableName } from '../options/terminal-options.js';

/** One terminal as a client asked for it, checked. */
export interface TerminalRequest {
  readonly command: readonly [string, ...string[]];
  readonly cols: number;
  readonly rows: number;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

const DEFAULT_COLS = 80;
const DEFAULT_ROWS = 24;

/** Whether the body of `POST /` asks for a terminal. */
export function asksForTerminal(body: unknown): body is { readonly terminal: unknown } {
  return isPlainObject(body) && body.terminal !== undefined;
}

/**
 * Checks the body of `POST /` that asks for a terminal. Keys that it does not know are ignored.
 *
 * @param options - undefined: there are no terminals.
 * @throws StreamKitError `bad_request` that names the key, `forbidden` for what the options do not allow.
 */
export function parseTerminalRequest(
  body: { readonly terminal: unknown },
  options: ResolvedTerminalOptions | undefined,
): TerminalRequest {
  if (options === undefined) throw new StreamKitError('forbidden', 'This server has no terminals');
  const { terminal } = body;
  if (!isPlainObject(terminal)) throw bad('JSON object', 'terminal', terminal);
  if ('targetUrl' in body) {
    throw new StreamKitError('bad_request', 'Expected either targetUrl or terminal, not both');
  }
  if ('budget' in body) throw new StreamKitError('bad_request', 'Expected no budget for a terminal');
  if ('placement' in body) throw new StreamKitError('bad_request', 'Expected no placement for a terminal');
  return {
    command: parseCommand(terminal.command, options),
    cols: size(terminal.cols, 'cols', options.maxCols, DEFAULT_COLS),
    rows: size(terminal.rows, 'rows', options.maxRows, DEFAULT_ROWS),
    cwd: parseDirectory(terminal.cwd, options),
    env: parseEnvironment(terminal.env, options),
  };
}

/** A name that the options have; where anything may be run, also a program with arguments, or a line for a shell. */
function parseCommand(value: unknown, options: ResolvedTerminalOptions): TerminalRequest['command'] {
  if (value === undefined) return options.command;
  if (typeof value === 'string' && Object.hasOwn(options.commands, value)) {
    return options.commands[value] ?? options.command;
  }
  const isLine = isArgument(value) && value !== '';
  const isProgram =
    Array.isArray(value) && value.length > 0 && value.length <= 256 && value.every(isArgument);
  if (!isLine && !isProgram) {
    throw bad('name of a command, or array of a program and its arguments', 'terminal.command', value);
  }
  if (!options.anyCommand) {
    throw new StreamKitError('forbidden', 'The command is not one that may be run here');
  }
  return isLine ? ['/bin/sh', '-c', value] : (value as unknown as [string, ...string[]]);
}

function size(value: unknown, key: string, most: number, fallback: number): number {
  if (value === undefined) return Math.min(fallback, most);
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > most) {
    throw bad(`integer between 1 and ${most}`, `terminal.${key}`, value);
  }
  return value;
}

function parseDirectory(value: unknown, { cwd, directories }: ResolvedTerminalOptions): string {
  if (value === undefined) return cwd;
  if (!isArgument(value) || !value.startsWith('/')) throw bad('absolute path', 'terminal.cwd', value);
  const path = realPath(value);
  const allowed = directories.some((directory) => {
    const root = realPath(directory);
    return (
      root !== undefined &&
      path !== undefined &&
      `${path}${sep}`.startsWith(root === sep ? sep : `${root}${sep}`)
    );
  });
  // Whether a folder is there is not told of any other.
  if (path === undefined || !allowed) {
    throw new StreamKitError('forbidden', 'The folder terminal.cwd is not one in which commands may start');
  }
  return path;
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

function parseEnvironment(
  value: unknown,
  { env, allowEnv }: ResolvedTerminalOptions,
): Readonly<Record<string, string>> {
  if (value === undefined) return env;
  if (!isPlainObject(value)) throw bad('JSON object', 'terminal.env', value);
  const given: Record<string, string> = {};
  for (const [name, entry] of Object.entries(value)) {
    // What it holds may be a secret, so it is not shown.
    if (!isVariableName(name) || !isArgument(entry)) {
      throw new StreamKitError('bad_request', 'Expected names and strings for terminal.env');
    }
    if (!allowEnv.includes(name)) {
      throw new StreamKitError('forbidden', `The variable ${name} of terminal.env may not be set`);
    }
    given[name] = entry;
  }
  return { ...env, ...given };
}

function bad(expected: string, key: string, value: unknown): StreamKitError {
  return new StreamKitError('bad_request', expectation(expected, key, value));
}
