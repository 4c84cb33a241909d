import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';

import type { Clock, Timer } from '../base/clock.js';
import { asError, StreamKitError } from '../base/errors.js';
import type { CommandReply } from './control-mode-parser.js';
import { ControlModeParser } from './control-mode-parser.js';
import { plainEnvironment } from './tmux-server.js';
import type { TmuxServer } from './tmux-server.js';

export interface TmuxControlListener {
  onOutput(pane: string, bytes: Uint8Array): void;
  onNotification(name: string, rest: string): void;
  /** Everything that was there to read has been told. */
  onIdle(): void;
  /** The client is gone, whyever. Once; never after {@link TmuxControl.close}. */
  onGone(): void;
}

export interface TmuxControlParameters {
  readonly server: TmuxServer;
  readonly clock: Clock;
  /** The command with which it begins, after the flags; words are passed as they are. */
  readonly words: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Most commands that wait for a reply; beyond it they are refused. A line is at most about 1 KiB. */
const MAX_WAITING_COMMANDS = 2048;
/** A tmux that does not answer within this time is given up, ms. */
const REPLY_TIMEOUT_MS = 5000;
const DETACH_TIMEOUT_MS = 500;
const NOT_STARTED = 'The terminal could not be opened: tmux cannot be started';

interface WaitingCommand {
  readonly resolve: (reply: CommandReply) => void;
  readonly reject: (error: Error) => void;
  /** Called at the place of the reply in the output. */
  readonly onReply: ((reply: CommandReply) => void) | undefined;
}

/** A tmux client in control mode: its process, the commands that it is given and their replies. */
export class TmuxControl {
  readonly #parameters: TmuxControlParameters;
  readonly #listener: TmuxControlListener;
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #exited: Promise<unknown>;
  #waiting: WaitingCommand[] = [];
  #answered = 0;
  #timer: Timer | undefined;
  #gone = false;
  #closing = false;

  /** @throws StreamKitError `terminal_failed`: the system has no memory or descriptors for it. */
  constructor(parameters: TmuxControlParameters, listener: TmuxControlListener) {
    this.#parameters = parameters;
    this.#listener = listener;
    const parser = new ControlModeParser({
      onOutput: (pane, bytes) => listener.onOutput(pane, bytes),
      onNotification: (name, rest) => listener.onNotification(name, rest),
      onReply: (reply) => this.#onReply(reply),
    });
    this.#child = startClient(parameters);
    this.#exited = once(this.#child, 'close').catch(() => undefined);
    this.#child.stdin.on('error', () => undefined);
    this.#child.stdout.on('data', (bytes: Buffer) => {
      if (this.#gone) return;
      try {
        parser.push(bytes);
      } catch {
        // Nothing after what cannot be read can be.
        this.#child.kill('SIGKILL');
      }
      listener.onIdle();
    });
    void this.#exited.then(() => this.#onGone(new Error('The tmux client has ended')));
  }

  /**
   * Gives it one command: a line that was put together of numbers, ids of tmux and words of our own alone.
   *
   * @param onReply - called at the place of the reply in the output.
   * @returns the reply. Rejects where there is none.
   */
  command(line: string, onReply?: (reply: CommandReply) => void): Promise<CommandReply> {
    return new Promise((resolve, reject) => {
      if (/\p{Cc}/u.test(line)) reject(new Error('A command is one line'));
      else if (this.#gone) reject(new Error('The tmux client has ended'));
      else if (this.#waiting.length >= MAX_WAITING_COMMANDS) reject(new Error('Too many commands wait'));
      else {
        this.#waiting.push({ resolve, reject, onReply });
        this.#timer ??= this.#watch();
        this.#child.stdin.write(`${line}\n`);
      }
    });
  }

  /** Commands that have no reply yet. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Detaches. Idempotent. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#onGone(new Error('The tmux client was closed'));
    // The end of its input detaches it.
    this.#child.stdin.end();
    const timer = this.#parameters.clock.after(DETACH_TIMEOUT_MS, () => this.#child.kill('SIGKILL'));
    await this.#exited;
    timer.cancel();
  }

  #onReply(reply: CommandReply): void {
    if (!reply.own) return;
    this.#answered += 1;
    const command = this.#waiting.shift();
    if (this.#waiting.length === 0) {
      this.#timer?.cancel();
      this.#timer = undefined;
    }
    command?.onReply?.(reply);
    command?.resolve(reply);
  }

  /** One timer for all: what matters is that some reply comes. */
  #watch(): Timer {
    let seen = this.#answered;
    return this.#parameters.clock.every(REPLY_TIMEOUT_MS, () => {
      if (this.#answered === seen) this.#child.kill('SIGKILL');
      seen = this.#answered;
    });
  }

  #onGone(error: Error): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#timer?.cancel();
    for (const { reject } of this.#waiting) reject(asError(error));
    this.#waiting = [];
    if (!this.#closing) this.#listener.onGone();
  }
}

function startClient({
  server,
  words,
  cwd,
  env,
}: TmuxControlParameters): ChildProcessByStdio<Writable, Readable, null> {
  let child: ChildProcess;
  try {
    child = spawn(server.tmuxPath, [...server.flags, '-C', ...words], {
      cwd,
      env: { ...plainEnvironment(), ...env },
      stdio: ['pipe', 'pipe', 'ignore'],
      // A signal for the server's own process group, such as Ctrl-C, is not for the terminals.
      detached: true,
    });
  } catch (cause) {
    throw new StreamKitError('terminal_failed', NOT_STARTED, { cause });
  }
  if (hasPipes(child)) return child;
  // Without descriptors (EMFILE) there are none, and the error event follows.
  child.on('error', () => undefined);
  throw new StreamKitError('terminal_failed', NOT_STARTED);
}

function hasPipes(child: ChildProcess): child is ChildProcessByStdio<Writable, Readable, null> {
  return Boolean(child.stdin && child.stdout);
}
