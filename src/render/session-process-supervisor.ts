import { spawn, type ChildProcess } from 'node:child_process';
import type { Duplex, Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

import { asError, StreamKitError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { setNiceness } from '../base/process-niceness.js';
import { signalProcess } from '../base/process-table.js';
import { TimeoutError, withTimeout } from '../base/with-timeout.js';
import type { MediaPlane, MediaSocket, MediaSocketFailure } from '../fanout/media-plane.js';
import { killBrowsersOf, removeProfileDirectory } from './capture/profile-directory.js';
import { encoderEnvironment } from './encode/encoder-environment.js';
import type { LimitedSession, SessionLimiter } from './limits/session-limiter.js';
import { MessageChannel, type MessageFault } from './message-channel.js';
import { MAX_REPORT_BYTES, type RenderOrder, type RenderReport } from './render-messages.js';
import { readTapPipe, type TapEntry } from './tap-pipe.js';

/** Below the host and its media plane: a busy page must not hold back what goes to the viewers. */
const NICENESS = 5;
/** What a session process may report, on average: a page's messages, input echoes and logs are far below. */
const REPORT_BUDGET = { messagesPerSecond: 2_000, bytesPerSecond: 16 * 1024 * 1024 };
/** After SIGTERM, before SIGKILL. */
const SIGTERM_GRACE_MS = 2_000;
const HEARTBEAT_INTERVAL_MS = 2_000;
/** After so many without a word it is killed: ten seconds. */
const UNANSWERED_BEATS_MAX = 5;
/** How much of what a process wrote to standard error is kept for the log. */
const MAX_STDERR_BYTES = 4096;

const PROGRAM = fileURLToPath(new URL('./session-process.js', import.meta.url));

export interface SessionProcessParameters {
  /** Reads what the process encodes, if it can. */
  readonly mediaPlane: MediaPlane;
  /** Limit of its JavaScript heap. */
  readonly heapBytes: number;
  readonly limiter: SessionLimiter;
  readonly logger: Logger;
}

/** What flows back from a session process. */
export interface SessionProcessListener {
  onReport(report: RenderReport): void;
  onTapEntry(entry: TapEntry): void;
  /** It ended, broke its limits or never started. At most once, and not after `close()`. */
  onLost(error: StreamKitError): void;
}

const MISBEHAVIOUR: Readonly<Record<MessageFault, string>> = {
  oversized: 'The page made a message that is too large',
  malformed: 'The session process sent a message that is none',
  flooded: 'The page made too many messages',
};

/** One session process, as the host sees it: started, listened to within limits, and ended with all that it has. */
export class SessionProcess {
  /** Any of them may carry any stream. None: frames come only through taps. */
  readonly sockets: readonly MediaSocket[];
  readonly #logger: Logger;
  readonly #limiter: SessionLimiter;
  #limited: LimitedSession | undefined;
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;
  #channel: MessageChannel | undefined;
  #listener: SessionProcessListener | undefined;
  #isLost = false;
  #lostError: StreamKitError | undefined;
  #stderr = '';
  #heartbeat: NodeJS.Timeout | undefined;
  /** Beats since it was last heard of. */
  #unanswered = 0;
  /** The profile of the browser that it was told to start. */
  #directory: string | undefined;
  #closing: Promise<void> | undefined;

  /** @throws StreamKitError `unavailable` if it cannot be started. */
  constructor({ mediaPlane, heapBytes, limiter, logger }: SessionProcessParameters) {
    this.#logger = logger;
    this.#limiter = limiter;
    const opened: MediaSocket[] = [];
    try {
      for (const kind of ['video', 'audio', 'spare', 'spare']) {
        const socket = mediaPlane.openMediaSocket?.((reason) => this.#onSocketFailed(kind, reason));
        if (socket !== undefined) opened.push(socket);
      }
      this.sockets = opened;
      const [video, audio, ...spares] = opened.map(({ fd }) => fd);
      this.#child = spawn(
        process.execPath,
        [`--max-old-space-size=${Math.floor(heapBytes / 2 ** 20)}`, PROGRAM],
        {
          env: encoderEnvironment(),
          // A group of its own: a signal of a terminal is the host's to handle.
          detached: true,
          // As SESSION_PROCESS_FDS says.
          stdio: [
            'ignore',
            'ignore',
            'pipe',
            'pipe',
            video ?? 'ignore',
            audio ?? 'ignore',
            'pipe',
            ...spares,
          ],
        },
      );
    } catch (thrown) {
      for (const socket of opened) socket.close();
      if (thrown instanceof StreamKitError) throw thrown;
      const cause = asError(thrown);
      throw new StreamKitError('unavailable', 'The session process could not be started', { cause });
    }
    for (const socket of opened) socket.handedOver();
    this.#exited = new Promise((resolve) => {
      // An error before it runs (EMFILE, EAGAIN) comes in place of an exit.
      this.#child.once('error', (cause) => {
        this.#lose(new StreamKitError('unavailable', 'The session process could not be started', { cause }));
        if (this.#child.pid === undefined) resolve();
      });
      this.#child.once('exit', (code, signal) => {
        resolve();
        const cause = new Error(`It ended with ${signal ?? `code ${code}`}. ${this.#stderr}`.trim());
        this.#lose(
          this.#limited?.outOfMemory === true
            ? new StreamKitError('out_of_memory', 'The session needed more memory than it may', { cause })
            : new StreamKitError('browser_crashed', 'The session process ended', { cause }),
        );
      });
    });
    if (this.#child.pid === undefined) return;
    this.#listen();
    try {
      setNiceness(this.#child.pid, NICENESS);
    } catch (thrown) {
      logger.debug({ err: asError(thrown) }, 'the niceness of a session process could not be set');
    }
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** It has not failed yet. */
  get isAlive(): boolean {
    return !this.#isLost && this.#closing === undefined;
  }

  /**
   * Takes it into use: it keeps this process alive from now on, what it reports goes to `listener`, and limits apply to it
   * and to what it starts.
   */
  use(streamId: string, listener: SessionProcessListener, directory: string): void {
    this.#listener = listener;
    this.#directory = directory;
    this.#setRef(true);
    if (this.#lostError !== undefined) {
      listener.onLost(this.#lostError);
      return;
    }
    try {
      this.#limited = this.#limiter.limit(streamId, this.#child.pid ?? 0);
    } catch (cause) {
      this.#lose(new StreamKitError('unavailable', 'The session could not be limited', { cause }));
      return;
    }
    this.#heartbeat = setInterval(() => this.#beat(), HEARTBEAT_INTERVAL_MS);
  }

  /** It is in use already; from now on it is for somebody else, and keeps this process alive. */
  handTo(listener: SessionProcessListener): void {
    this.#listener = listener;
    this.#setRef(true);
    if (this.#lostError !== undefined) listener.onLost(this.#lostError);
  }

  /** It waits to be used, and does not keep this process alive. */
  rest(): void {
    this.#setRef(false);
  }

  /** @returns false if it is gone or has not read for too long: the order is dropped. */
  send(order: RenderOrder): boolean {
    return this.isAlive && this.#channel?.send(order) === true;
  }

  /** SIGTERM, SIGKILL to what is left after 2 s, then its directory goes. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /**
   * Counts beats rather than time: a host that blocks its loop, or a machine that sleeps, must not take its own absence for
   * that of the session process.
   */
  #beat(): void {
    this.#unanswered += 1;
    if (this.#unanswered <= UNANSWERED_BEATS_MAX) {
      this.send({ type: 'ping' });
      return;
    }
    this.#lose(new StreamKitError('browser_hung', 'The session process stopped responding'));
    this.#kill();
  }

  #kill(): void {
    const { pid } = this.#child;
    if (pid !== undefined) signalProcess(-pid, 'SIGKILL');
  }

  async #close(): Promise<void> {
    clearInterval(this.#heartbeat);
    this.#isLost = true;
    const { pid } = this.#child;
    if (pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null) {
      signalProcess(pid, 'SIGTERM');
      try {
        await withTimeout(this.#exited, SIGTERM_GRACE_MS);
      } catch (error) {
        if (!(error instanceof TimeoutError)) throw error;
        this.#logger.warn({ pid }, 'the session process did not end in time and is killed');
        signalProcess(-pid, 'SIGKILL');
        await this.#exited;
      }
    }
    this.#channel?.close();
    for (const socket of this.sockets) socket.close();
    await this.#limited?.close().catch((error: unknown) => {
      this.#logger.warn({ pid, err: asError(error) }, 'the cgroup of a session could not be removed');
    });
    if (this.#directory !== undefined) {
      await killBrowsersOf(this.#directory);
      await removeProfileDirectory(this.#directory);
    }
  }

  /** Node types five of them, and does not say that there are none where the process could not be started. */
  get #pipes(): readonly unknown[] {
    return (this.#child as { stdio?: readonly unknown[] }).stdio ?? [];
  }

  #listen(): void {
    const [, , stderr, control, , , taps] = this.#pipes;
    (stderr as Readable).on('data', (bytes: Buffer) => {
      this.#stderr = (this.#stderr + bytes.toString('utf8')).slice(-MAX_STDERR_BYTES);
    });
    this.#channel = new MessageChannel(
      control as Duplex,
      { maxMessageBytes: MAX_REPORT_BYTES, budget: REPORT_BUDGET },
      {
        onMessage: (message) => {
          this.#unanswered = 0;
          try {
            this.#listener?.onReport(message as RenderReport);
          } catch (cause) {
            this.#misbehave('The session process sent a message that is none', cause);
          }
        },
        onFault: (fault) => this.#misbehave(MISBEHAVIOUR[fault], fault),
      },
    );
    readTapPipe(
      taps as Readable,
      (entry) => this.#listener?.onTapEntry(entry),
      () => this.#misbehave('The session process sent a frame that is none', 'tap pipe'),
    );
  }

  #onSocketFailed(kind: string, reason: MediaSocketFailure): void {
    // The end of the process is told by its exit, and that of a thread by the process.
    if (reason !== 'closed')
      this.#misbehave('The session process sent a frame that is none', `${kind} ${reason}`);
  }

  #misbehave(message: string, cause: unknown): void {
    this.#lose(new StreamKitError('page_misbehaved', message, { cause }));
    this.#kill();
  }

  #lose(error: StreamKitError): void {
    if (this.#isLost) return;
    this.#isLost = true;
    clearInterval(this.#heartbeat);
    this.#lostError = error;
    this.#listener?.onLost(error);
  }

  #setRef(isReferenced: boolean): void {
    const [, , stderr, control, , , taps] = this.#pipes;
    type Part = { ref?(): void; unref?(): void } | undefined;
    for (const part of [this.#child, stderr, control, taps, this.#heartbeat] as Part[]) {
      if (isReferenced) part?.ref?.();
      else part?.unref?.();
    }
  }
}
