import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

import { StreamKitError } from '../base/errors.js';
import { aBoolean, anObject, badOption, integerBetween, listOf } from './option-checks.js';
import { option, type OptionsOf, required, type ResolvedOptionsOf, tableCheck } from './option-definition.js';

const KIB = 1024;
const MIB = 1024 * KIB;
/** A path of a socket has room for 104 bytes on some systems; below the folder come an id and a name. */
const MAX_STATE_DIR_BYTES = 60;

const ATTACH = {
  /** Their names: letters, digits and `_+@-`, 1–64; or all that have such a name. */
  names: required<'all' | readonly string[]>(namesToAttach),
  /** Socket of the tmux server. Default: that of the user of the server. */
  socketPath: option<string>(absolutePath),
};

/** Which tmux sessions clients may attach to. */
export interface TerminalAttachOptions extends OptionsOf<typeof ATTACH> {}

/** {@link TerminalAttachOptions} with defaults filled in. */
interface ResolvedAttachOptions extends ResolvedOptionsOf<typeof ATTACH> {
  readonly socketPath: string;
}

const TERMINAL = {
  /** With `false` nothing of terminals is there. */
  enabled: required<boolean>(aBoolean),
  /** Program and arguments of a terminal whose client names none. Default: the shell in `$SHELL`, or `/bin/sh`. */
  command: option<readonly string[], readonly [string, ...string[]]>(program),
  /** Programs with their arguments that clients may ask for, by name. Default none. */
  commands: option<
    Readonly<Record<string, readonly string[]>>,
    Readonly<Record<string, readonly [string, ...string[]]>>
  >(programs, {}),
  /** Whether clients may run whatever they name. Default false. */
  anyCommand: option<boolean>(aBoolean, false),
  /** Widest terminal, columns, 1–1000. Default 500. */
  maxCols: option<number>(integerBetween(1, 1000), 500),
  /** Highest terminal, rows, 1–1000. Default 200. */
  maxRows: option<number>(integerBetween(1, 1000), 200),
  /** Folder in which commands start. Default: that of the user of the server. */
  cwd: option<string>(absolutePath),
  /** Folders in or below which clients may let commands start instead. Default none. */
  directories: option<readonly string[]>(listOf(absolutePath), []),
  /** Environment of the commands, besides what every shell needs; the server's own is not passed on. Default none. */
  env: option<Readonly<Record<string, string>>>(environment, {}),
  /** Names of environment variables that clients may set. Default none. */
  allowEnv: option<readonly string[]>(listOf(variableName), []),
  /**
   * Folder, of at most 60 bytes, in which the output of terminals is kept, for this user alone. With it terminals outlive
   * the server, and its next run takes them up again; a second server is refused it. Default: terminals end with the server.
   */
  stateDir: option<string>(stateDir),
  /** Most terminals at once, besides `maxSessions` of the router, 1–1000. Default: as many as that; 64 where that is `auto`. */
  maxSessions: option<number>(integerBetween(1, 1000)),
  /** How much output is kept of each for clients that come back, bytes, 64 KiB–1 GiB. Default 8 MiB. */
  replayBytes: option<number>(integerBetween(64 * KIB, 1024 * MIB), 8 * MIB),
  /** Lets clients attach to tmux sessions that are there, under their name. Default none. */
  attach: option<TerminalAttachOptions, ResolvedAttachOptions>(attach),
  /** The tmux program, 3.2 or later. Default: the one in `PATH`. */
  tmuxPath: option<string>(absolutePath, 'tmux'),
};

/** Whether and within which bounds clients may use terminals. A terminal is a shell on this machine. */
export interface TerminalOptions extends OptionsOf<typeof TERMINAL> {}

/** {@link TerminalOptions} with defaults filled in, where terminals are enabled. */
export interface ResolvedTerminalOptions extends Omit<ResolvedOptionsOf<typeof TERMINAL>, 'enabled'> {
  readonly command: readonly [string, ...string[]];
  readonly cwd: string;
}

/** Whether a tmux session of this name can be attached to at all. */
export function isTerminalName(name: string): boolean {
  return /^[A-Za-z0-9_+@-]{1,64}$/.test(name);
}

const checkTerminal = tableCheck(TERMINAL);
const checkAttach = tableCheck(ATTACH);

/** @returns undefined where terminals are not enabled. @throws StreamKitError `bad_option`. */
export function terminalOptions(value: unknown, name: string): ResolvedTerminalOptions | undefined {
  const { enabled, command, cwd, ...rest } = checkTerminal(value, name);
  if (!enabled) return undefined;
  return Object.freeze({
    ...rest,
    command: command ?? ([process.env.SHELL ?? '/bin/sh'] as const),
    cwd: cwd ?? homedir(),
  });
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

function programs(value: unknown, name: string): Readonly<Record<string, readonly [string, ...string[]]>> {
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

function attach(value: unknown, name: string): ResolvedAttachOptions {
  const { names, socketPath } = checkAttach(value, name);
  return Object.freeze({ names, socketPath: socketPath ?? defaultSocketPath() });
}

function namesToAttach(value: unknown, name: string): 'all' | readonly string[] {
  return value === 'all' ? value : listOf(sessionName)(value, name);
}

function sessionName(value: unknown, name: string): string {
  if (typeof value !== 'string' || !isTerminalName(value)) {
    throw badOption('name of letters, digits and _+@-', name, value);
  }
  return value;
}

/** Where tmux has the socket of a user that names none (tmux(1), `-L`). */
function defaultSocketPath(): string {
  const folder = process.env.TMUX_TMPDIR ?? '/tmp';
  return join(folder, `tmux-${process.getuid?.() ?? 0}`, 'default');
}
