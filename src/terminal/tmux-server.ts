import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

import type { Clock, Timer } from '../base/clock.js';

export interface TmuxServerParameters {
  readonly tmuxPath: string;
  readonly socketPath: string;
  readonly clock: Clock;
}

/** What one command came to. */
export interface TmuxResult {
  readonly ok: boolean;
  /** Whether there was a process: without one tmux has not refused anything. */
  readonly started: boolean;
  readonly output: Buffer;
}

const COMMAND_TIMEOUT_MS = 5000;
/** Most that is read of what a command prints: beyond it the command is stopped. A screen is far smaller. */
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;
/** What every program needs of an environment; the rest of the server's may be secret. */
const ENVIRONMENT = /^(?:PATH|HOME|USER|LOGNAME|SHELL|LANG|LC_[A-Z]+|TZ|TMPDIR)$/;

/** One tmux server, by its socket: it may be running or not. Each command is a process of its own. */
export class TmuxServer {
  readonly #parameters: TmuxServerParameters;

  constructor(parameters: TmuxServerParameters) {
    this.#parameters = parameters;
  }

  get tmuxPath(): string {
    return this.#parameters.tmuxPath;
  }

  /** With which every command line begins: this server, text in UTF-8, and no configuration of a user. */
  get flags(): readonly string[] {
    return ['-S', this.#parameters.socketPath, '-u', '-f', '/dev/null'];
  }

  /**
   * Runs a command; one that fails, or takes too long, is not ok.
   *
   * @param parts - of the command; each is one word to tmux, see {@link tmuxWord}.
   */
  async run(parts: readonly string[], input?: Uint8Array): Promise<TmuxResult> {
    let timer: Timer | undefined;
    try {
      const child: ChildProcess = spawn(this.tmuxPath, [...this.flags, ...parts.map(tmuxWord)], {
        cwd: '/',
        env: plainEnvironment(),
        stdio: ['pipe', 'pipe', 'ignore'],
      });
      // Rejects with its error event, which follows also where there are no descriptors for pipes (EMFILE).
      const closed = once(child, 'close') as Promise<[number | null]>;
      timer = this.#parameters.clock.after(COMMAND_TIMEOUT_MS, () => child.kill('SIGKILL'));
      const chunks: Buffer[] = [];
      let size = 0;
      child.stdout?.on('data', (chunk: Buffer) => {
        size += chunk.byteLength;
        if (size > MAX_OUTPUT_BYTES) child.kill('SIGKILL');
        else chunks.push(chunk);
      });
      // A command that ends before it has read everything shows in its status.
      child.stdin?.on('error', () => undefined);
      child.stdin?.end(input);
      const [status] = await closed;
      return { ok: status === 0, started: true, output: Buffer.concat(chunks) };
    } catch {
      return { ok: false, started: false, output: Buffer.alloc(0) };
    } finally {
      timer?.cancel();
    }
  }
}

/** tmux takes a semicolon at the end of a word for the end of a command. */
export function tmuxWord(word: string): string {
  return word.endsWith(';') ? `${word.slice(0, -1)}\\;` : word;
}

/** The server's own environment without what programs do not need. */
export function plainEnvironment(): Record<string, string> {
  const kept = Object.entries(process.env).filter(([name]) => ENVIRONMENT.test(name));
  return Object.fromEntries(kept) as Record<string, string>;
}
