import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

import { StreamKitError } from '../base/errors.js';
import type { OptionCheck } from './option-checks.js';
import {
  aBoolean,
  anObject,
  badOption,
  integerBetween,
  listOf,
  refuseUnknownNames,
} from './option-checks.js';

/** Whether and within which bounds clients may use terminals. A terminal is a shell on this machine. */
export interface TerminalOptions {
  /** With `false` nothing of terminals is there. */
  enabled: boolean;
  /** Program and arguments of a terminal whose client names none. Default: the shell in `$SHELL`, or `/bin/sh`. */
  command?: readonly string[];
  /** Programs with their arguments that clients may ask for, by name. Default none. */
  commands?: Readonly<Record<string, readonly string[]>>;
  /** Whether clients may run whatever they name. Default false. */
  anyCommand?: boolean;
  /** Widest terminal, columns, 1–1000. Default 500. */
  maxCols?: number;
  /** Highest terminal, rows, 1–1000. Default 200. */
  maxRows?: number;
  /** Folder in which commands start. Default: that of the user of the server. */
  cwd?: string;
  /** Folders in or below which clients may let commands start instead. Default none. */
  directories?: readonly string[];
  /** Environment of the commands, besides what every shell needs; the server's own is not passed on. Default none. */
  env?: Readonly<Record<string, string>>;
  /** Names of environment variables that clients may set. Default none. */
  allowEnv?: readonly string[];
  /**
   * Folder, of at most 60 bytes, in which the output of terminals is kept, for this user alone. With it terminals outlive
   * the server, and its next run takes them up again; a second server is refused it. Default: terminals end with the server.
   */
  stateDir?: string;
  /** Most terminals at once, besides `maxSessions` of the router, 1–1000. Default: as many as that; 64 where that is `auto`. */
  maxSessions?: number;
  /** How much output is kept of each for clients that come back, bytes, 64 KiB–1 GiB. Default 8 MiB. */
  replayBytes?: number;
  /** Lets clients attach to tmux sessions that are there, under their name. Default none. */
  attach?: TerminalAttachOptions;
  /** The tmux program, 3.2 or later. Default: the one in `PATH`. */
  tmuxPath?: string;
}

/** Which tmux sessions clients may attach to. */
export interface TerminalAttachOptions {
  /** Their names: letters, digits and `_+@-`, 1–64; or all that have such a name. */
  names: 'all' | readonly string[];
  /** Socket of the tmux server. Default: that of the user of the server. */
  socketPath?: string;
}

export interface ResolvedTerminalOptions extends Readonly<
  Required<Omit<TerminalOptions, 'enabled' | 'command' | 'commands' | 'stateDir' | 'maxSessions' | 'attach'>>
> {
  readonly command: readonly [string, ...string[]];
  readonly commands: Readonly<Record<string, readonly [string, ...string[]]>>;
  /** Undefined: terminals end with the server. */
  readonly stateDir: string | undefined;
  /** Undefined: as `maxSessions` of the router says. */
  readonly maxSessions: number | undefined;
  /** Undefined: none. */
  readonly attach: { readonly names: 'all' | readonly string[]; readonly socketPath: string } | undefined;
}

const KIB = 1024;
const MIB = 1024 * KIB;
/** A path of a socket has room for 104 bytes on some systems; below the folder come an id and a name. */
const MAX_STATE_DIR_BYTES = 60;
const NAMES: readonly (keyof TerminalOptions)[] = [
  'enabled',
  'command',
  'commands',
  'anyCommand',
  'maxCols',
  'maxRows',
  'cwd',
  'directories',
  'env',
  'allowEnv',
  'stateDir',
  'maxSessions',
  'replayBytes',
  'attach',
  'tmuxPath',
];

/** Whether a tmux session of this name can be attached to at all. */
export function isTerminalName(name: string): boolean {
  return /^[A-Za-z0-9_+@-]{1,64}$/.test(name);
}

/** @throws StreamKitError `bad_option`. */
export function terminalOptions(value: unknown, name: string): ResolvedTerminalOptions | undefined {
  const given = anObject(value, name);
  refuseUnknownNames(given, NAMES, name);
  const optional = <T>(key: keyof TerminalOptions, check: OptionCheck<T>): T | undefined =>
    given[key] === undefined ? undefined : check(given[key], `${name}.${key}`);
  const resolved = Object.freeze<ResolvedTerminalOptions>({
    command: optional('command', program) ?? [process.env.SHELL ?? '/bin/sh'],
    commands: optional('commands', programs) ?? {},
    anyCommand: optional('anyCommand', aBoolean) ?? false,
    maxCols: optional('maxCols', integerBetween(1, 1000)) ?? 500,
    maxRows: optional('maxRows', integerBetween(1, 1000)) ?? 200,
    cwd: optional('cwd', absolutePath) ?? homedir(),
    directories: optional('directories', listOf(absolutePath)) ?? [],
    env: optional('env', environment) ?? {},
    allowEnv: optional('allowEnv', listOf(variableName)) ?? [],
    stateDir: optional('stateDir', stateDir),
    maxSessions: optional('maxSessions', integerBetween(1, 1000)),
    replayBytes: optional('replayBytes', integerBetween(64 * KIB, 1024 * MIB)) ?? 8 * MIB,
    attach: optional('attach', attach),
    tmuxPath: optional('tmuxPath', absolutePath) ?? 'tmux',
  });
  return aBoolean(given.enabled, `${name}.enabled`) ? resolved : undefined;
}

/** What a program can be given: no NUL. */
export function isArgument(value: unknown): value is string {
  return typeof value === 'string' && !value.includes('\0') && value.length <= 32 * KIB;
}

export function isVariableName(value: unknown): value is string {
  return typeof value === 'string' && /^[A-Za-z_][A-Za-z0-9_]{0,127}$/.test(value);
}

function program(value: unknown, name: string): readonly [string, ...string[]] {
  if (!Array.isArray(value) || value.length === 0 || !value.every(isArgument) || value[0] === '') {
    throw badOption('array of a program and its arguments', name, value);
  }
  return Object.freeze([...value]) as unknown as readonly [string, ...string[]];
}

function programs(value: unknown, name: string): ResolvedTerminalOptions['commands'] {
  const entries = Object.entries(anObject(value, name));
  return Object.freeze(
    Object.fromEntries(entries.map(([key, entry]) => [key, program(entry, `${name}.${key}`)])),
  );
}

function environment(value: unknown, name: string): Readonly<Record<string, string>> {
  const given = anObject(value, name);
  for (const [key, entry] of Object.entries(given)) {
    variableName(key, `a name in ${name}`);
    if (!isArgument(entry)) throw new StreamKitError('bad_option', `Expected string for ${name}.${key}`);
  }
  return Object.freeze({ ...given }) as Readonly<Record<string, string>>;
}

function variableName(value: unknown, name: string): string {
  if (!isVariableName(value)) throw badOption('name of an environment variable', name, value);
  return value;
}

function absolutePath(value: unknown, name: string): string {
  if (!isArgument(value) || !isAbsolute(value)) throw badOption('absolute path', name, value);
  return value;
}

function stateDir(value: unknown, name: string): string {
  const path = absolutePath(value, name);
  if (Buffer.byteLength(path) > MAX_STATE_DIR_BYTES) {
    throw badOption(`path of at most ${MAX_STATE_DIR_BYTES} bytes`, name, value);
  }
  return path;
}

function attach(value: unknown, name: string): ResolvedTerminalOptions['attach'] {
  const given = anObject(value, name);
  refuseUnknownNames(given, ['names', 'socketPath'], name);
  const sessionName = (entry: unknown, where: string): string => {
    if (typeof entry !== 'string' || !isTerminalName(entry)) {
      throw badOption('name of letters, digits and _+@-', where, entry);
    }
    return entry;
  };
  const { names, socketPath } = given;
  return Object.freeze({
    names: names === 'all' ? names : listOf(sessionName)(names, `${name}.names`),
    socketPath:
      socketPath === undefined ? defaultSocketPath() : absolutePath(socketPath, `${name}.socketPath`),
  });
}

/** Where tmux has the socket of a user that names none (tmux(1), `-L`). */
function defaultSocketPath(): string {
  const folder = process.env.TMUX_TMPDIR ?? '/tmp';
  return join(folder, `tmux-${process.getuid?.() ?? 0}`, 'default');
}
