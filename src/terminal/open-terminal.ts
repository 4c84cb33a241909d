import { mkdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { cleanUp } from '../base/clean-up.js';
import type { Clock } from '../base/clock.js';
import { pause } from '../base/deadline.js';
import { asError, StreamKitError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { unlessAborted } from '../base/unless-aborted.js';
import type { ResolvedTerminalOptions } from '../options/terminal-options.js';
import { LeftTerminalEndedError } from '../base/left-terminal-ended-error.js';
import type { OpenTerminal, Terminal, TerminalListener, TerminalTarget } from './terminal.js';
import { sweepTemporaryFolders, TemporaryFolder } from './temporary-folder.js';
import { TmuxNotStartedError } from './tmux-not-started-error.js';
import { ENDED_OPTION } from './tmux-pane.js';
import { TmuxServer, tmuxWord } from './tmux-server.js';
import type { TmuxTerminalParameters } from './tmux-terminal.js';
import { TmuxTerminal } from './tmux-terminal.js';

export interface OpenTerminalParameters {
  readonly options: ResolvedTerminalOptions;
  readonly clock: Clock;
  readonly logger: Logger;
}

type NewTarget = Extract<TerminalTarget, { kind: 'new' }>;

/** The id of the first session of a tmux server: programs in it may rename it. */
const SESSION = '$0';
/** tmux takes no longer command line, bytes (one message of imsg, with room for the rest). */
const MAX_WORDS_BYTES = 12 * 1024;
/** How long until a terminal that was left is asked for again if tmux could not be started, ms. */
const RETRY_MS = 1000;

/** How a tmux server of ours behaves. `-q`: an older one may lack some of them. */
const SETTINGS: readonly (readonly string[])[] = [
  // Should the one that runs the command be killed, its pane stays and can be asked how it ended.
  ['set-option', '-wgq', 'remain-on-exit', 'on'],
  ['set-option', '-wgq', 'remain-on-exit-format', ''],
  ['set-option', '-wgq', 'automatic-rename', 'off'],
  ['set-option', '-wgq', 'allow-rename', 'off'],
  ['set-option', '-gq', 'status', 'off'],
  ['set-option', '-gq', 'update-environment', ''],
  ['set-option', '-gq', 'default-terminal', 'screen-256color'],
  // A client that was detached attaches again.
  ['set-option', '-gq', 'destroy-unattached', 'off'],
  ['set-option', '-sgq', 'escape-time', '0'],
  ['set-option', '-sgq', 'set-clipboard', 'off'],
  // A mode of tmux, such as copy mode, would take the keys in place of the program: it is left before a key can come.
  ['set-hook', '-g', 'pane-mode-changed', "if-shell -F '#{pane_in_mode}' 'copy-mode -q'"],
];

/**
 * Runs the command, notes how it ended and waits to be ended itself: tmux 3.3 throws away what a client in control mode has
 * not been sent yet when the pane's process is gone. What it says itself of a command that was killed is nobody's output;
 * Ctrl-C is for the command alone. Without `$TMUX` what the command asks of tmux is not asked of the server that runs it.
 */
const RUNNER = `exec 3>&2 2>/dev/null
trap : INT QUIT
(unset TMUX TMUX_PANE; exec "$@") 2>&3 3>&-
"$0" set-option -p ${ENDED_OPTION} $? \\; rename-window ended
while :; do sleep 3600; done`;

/** Terminals that are panes of tmux. */
export function createOpenTerminal(parameters: OpenTerminalParameters): OpenTerminal {
  return async (target, listener, signal, logContext) => {
    const logger = parameters.logger.child(logContext);
    const terminal = await openTarget({ ...parameters, logger }, target, listener, signal);
    if (!signal.aborted) return terminal;
    await terminal.close(target.kind === 'new' ? 'kill' : 'leave');
    throw asError(signal.reason);
  };
}

function openTarget(
  parameters: OpenTerminalParameters,
  target: TerminalTarget,
  listener: TerminalListener,
  signal: AbortSignal,
): Promise<Terminal> {
  switch (target.kind) {
    case 'new':
      return openNew(parameters, target, listener);
    case 'left':
      return openLeft(parameters, target.id, listener, signal);
    case 'attached':
      return openAttached(parameters, target.name, listener);
  }
}

async function openNew(
  { options, clock, logger }: OpenTerminalParameters,
  target: NewTarget,
  listener: TerminalListener,
): Promise<Terminal> {
  const { tmuxPath } = options;
  const words = newSessionWords(target, tmuxPath);
  await swept(tmuxPath);
  const folder = await makeFolder(target.id, options, logger);
  try {
    const server = new TmuxServer({ tmuxPath, socketPath: join(folder.path, 'tmux'), clock });
    return await TmuxTerminal.open(
      {
        ...{ server, clock, logger, own: true, session: SESSION },
        start: { words, cwd: target.cwd },
        attachWords: attachWords(SESSION),
        remove: () => folder.remove(),
      },
      listener,
    );
  } catch (thrown) {
    await cleanUp(folder.remove(), 'the folder of a terminal', logger);
    throw thrown;
  }
}

let sweeping: Promise<void> | undefined;

/** Once per process: no other server of this process can have died. */
function swept(tmuxPath: string): Promise<void> {
  sweeping ??= sweepTemporaryFolders(tmuxPath);
  return sweeping;
}

/** @throws StreamKitError `terminal_failed`: the folder cannot be written. */
async function makeFolder(
  id: string,
  { stateDir, tmuxPath }: ResolvedTerminalOptions,
  logger: Logger,
): Promise<Pick<TemporaryFolder, 'path' | 'remove'>> {
  try {
    if (stateDir === undefined) return await TemporaryFolder.create(tmuxPath, logger);
    const path = join(stateDir, id);
    await mkdir(path, { recursive: true, mode: 0o700 });
    return { path, remove: () => rm(path, { recursive: true, force: true }) };
  } catch (thrown) {
    const parent = stateDir === undefined ? `${tmpdir()} (set TMPDIR to another one)` : 'terminal.stateDir';
    const { code = 'unknown error' } = thrown as NodeJS.ErrnoException;
    const message = `The terminal needs a folder of its own, which could not be made in ${parent}: ${code}`;
    throw new StreamKitError('terminal_failed', message, { cause: thrown });
  }
}

function newSessionWords(target: NewTarget, tmuxPath: string): string[] {
  const { command, cols, rows, env } = target;
  const words = [
    ...SETTINGS.flatMap((setting) => [...setting, ';']),
    ...['new-session', '-x', String(cols), '-y', String(rows)],
    ...Object.entries(env).flatMap(([name, value]) => ['-e', tmuxWord(`${name}=${value}`)]),
    ...['--', '/bin/sh', '-c', RUNNER, tmuxWord(tmuxPath), ...command.map(tmuxWord)],
  ];
  if (Buffer.byteLength(words.join(' ')) > MAX_WORDS_BYTES) {
    throw new StreamKitError('too_large', 'The command and its environment are too long');
  }
  return words;
}

/** @throws LeftTerminalEndedError. */
async function openLeft(
  parameters: OpenTerminalParameters,
  id: string,
  listener: TerminalListener,
  signal: AbortSignal,
): Promise<Terminal> {
  for (;;) {
    try {
      return await takeUp(parameters, id, listener);
    } catch (thrown) {
      if (!(thrown instanceof TmuxNotStartedError)) throw thrown;
      parameters.logger.warn({ err: thrown }, 'a terminal that was left could not be asked for');
    }
    await unlessAborted(pause(parameters.clock, RETRY_MS), signal);
  }
}

/** @throws LeftTerminalEndedError, TmuxNotStartedError. */
async function takeUp(
  { options, clock, logger }: OpenTerminalParameters,
  id: string,
  listener: TerminalListener,
): Promise<Terminal> {
  const folder = join(options.stateDir ?? '', id);
  const server = new TmuxServer({ tmuxPath: options.tmuxPath, socketPath: join(folder, 'tmux'), clock });
  const { ok, started } = await server.run(['has-session', '-t', SESSION]);
  if (!started) throw new TmuxNotStartedError();
  if (!ok) throw new LeftTerminalEndedError();
  return TmuxTerminal.open(
    {
      ...{ server, clock, logger, own: true, session: SESSION },
      start: { words: attachWords(SESSION), cwd: '/' },
      attachWords: attachWords(SESSION),
      remove: () => rm(folder, { recursive: true, force: true }),
    },
    listener,
  );
}

/** Whether there is a session of somebody else under this name. @throws TmuxNotStartedError. */
export async function canAttach(
  { options, clock }: Pick<OpenTerminalParameters, 'options' | 'clock'>,
  name: string,
): Promise<boolean> {
  const socketPath = options.attach?.socketPath ?? '';
  const server = new TmuxServer({ tmuxPath: options.tmuxPath, socketPath, clock });
  return (await sessionId(server, socketPath, name)) !== undefined;
}

async function openAttached(
  { options, clock, logger }: OpenTerminalParameters,
  name: string,
  listener: TerminalListener,
): Promise<Terminal> {
  const socketPath = options.attach?.socketPath ?? '';
  const server = new TmuxServer({ tmuxPath: options.tmuxPath, socketPath, clock });
  const id = await sessionId(server, socketPath, name);
  if (id === undefined) throw new StreamKitError('no_such_session', 'There is no such session');
  const parameters: TmuxTerminalParameters = {
    ...{ server, clock, logger, own: false, session: id },
    start: { words: attachWords(id), cwd: '/' },
    attachWords: attachWords(id),
    remove: () => Promise.resolve(),
  };
  return TmuxTerminal.open(parameters, listener);
}

function attachWords(target: string): string[] {
  return ['attach-session', '-t', target];
}

/** The id of a session by its exact name: names are patterns to tmux, so none is passed to it. @throws TmuxNotStartedError. */
async function sessionId(server: TmuxServer, socketPath: string, name: string): Promise<string | undefined> {
  // Asking a server that is not there would start one.
  if (!(await stat(socketPath).catch(() => undefined))?.isSocket()) return undefined;
  const { ok, started, output } = await server.run(['list-sessions', '-F', '#{session_id} #{session_name}']);
  if (!started) throw new TmuxNotStartedError();
  if (!ok) return undefined;
  const lines = output.toString().split('\n');
  const line = lines.find((candidate) => candidate.slice(candidate.indexOf(' ') + 1) === name);
  const id = line?.slice(0, line.indexOf(' '));
  return id !== undefined && /^\$\d{1,9}$/.test(id) ? id : undefined;
}
