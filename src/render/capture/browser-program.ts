import { spawn, type ChildProcess } from 'node:child_process';
import { getPriority } from 'node:os';
import type { Readable, Writable } from 'node:stream';

import { StreamKitError } from '../../base/errors.js';
import { setGroupNiceness } from '../../base/process-niceness.js';
import { signalProcess } from '../../base/process-table.js';
import { TimeoutError, withTimeout } from '../../base/with-timeout.js';
import { killBrowsersOf, removeProfileDirectory } from './profile-directory.js';

const SIGTERM_GRACE_MS = 2_000;
/** Of what it wrote to standard error, kept for the log. */
const MAX_STDERR_LENGTH = 4096;

/** Why the system does not run a file. */
const NO_PROGRAM = new Set<unknown>(['ENOENT', 'EACCES', 'ENOEXEC', 'ENOTDIR', 'EISDIR']);

export interface BrowserProgramParameters {
  readonly executablePath: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly profileDirectory: string;
}

/** A browser's main process, at the head of a process group of its own. */
export class BrowserProgram {
  readonly pid: number;
  /** Commands go in here, what the browser says comes out there. */
  readonly input: Writable;
  readonly output: Readable;
  readonly #child: ChildProcess;
  readonly #profileDirectory: string;
  readonly #exited: Promise<void>;
  #stderr = '';

  private constructor(child: ChildProcess, pid: number, profileDirectory: string) {
    this.#child = child;
    this.pid = pid;
    this.#profileDirectory = profileDirectory;
    const [, , stderr, input, output] = child.stdio as [null, null, Readable, Writable, Readable];
    this.input = input;
    this.output = output;
    this.#exited = new Promise((resolve) => child.once('exit', () => resolve()));
    stderr.on('error', () => undefined);
    stderr.on('data', (bytes: Buffer) => {
      this.#stderr = (this.#stderr + bytes.toString('utf8')).slice(-MAX_STDERR_LENGTH);
    });
  }

  /** @throws StreamKitError `browser_not_found` where the file is no program, `unavailable` where the system refuses. */
  static async start({
    executablePath,
    args,
    env,
    profileDirectory,
  }: BrowserProgramParameters): Promise<BrowserProgram> {
    const child = await new Promise<ChildProcess>((resolve, reject) => {
      // Some refusals it throws, others come as an event.
      const spawned = spawn(executablePath, args, {
        detached: true,
        env,
        stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'],
      });
      spawned.once('spawn', () => resolve(spawned));
      spawned.once('error', reject);
    }).catch((cause: unknown) => {
      throw cause instanceof Error && 'code' in cause && NO_PROGRAM.has(cause.code)
        ? new StreamKitError('browser_not_found', 'The configured browser cannot be run: it is no program', {
            cause,
          })
        : new StreamKitError('unavailable', 'The browser could not be started', { cause });
    });
    child.on('error', () => undefined);
    // It has inherited the niceness of this process, but leads a group of its own.
    if (child.pid !== undefined) void setGroupNiceness(child.pid, getPriority());
    return new BrowserProgram(child, child.pid ?? 0, profileDirectory);
  }

  /** What it said last. */
  get stderr(): string {
    return this.#stderr.trim();
  }

  /** It ends by itself. */
  get exited(): Promise<void> {
    return this.#exited;
  }

  /** SIGTERM to the process group, SIGKILL after 2 s. */
  async end(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      signalProcess(-this.pid, 'SIGTERM');
      try {
        await withTimeout(this.#exited, SIGTERM_GRACE_MS);
      } catch (error) {
        if (!(error instanceof TimeoutError)) throw error;
        signalProcess(-this.pid, 'SIGKILL');
        await this.#exited;
      }
    }
    signalProcess(-this.pid, 'SIGKILL');
    // Helpers that left the group.
    await killBrowsersOf(this.#profileDirectory);
    await removeProfileDirectory(this.#profileDirectory);
  }
}
