import { Worker, type Transferable } from 'node:worker_threads';

import { StreamKitError } from '../../base/errors.js';

const CLOSE_TIMEOUT_MS = 1_000;

/** A worker thread of this room: started with its data, told what to do, and reporting back. */
export class EncodeWorkerThread<Request extends { type: string }, Report extends { type: string }> {
  readonly #worker: Worker;
  #onLost: ((error: StreamKitError) => void) | undefined;
  #closing: Promise<void> | undefined;

  /**
   * @param onReport - everything the thread reports but its failure.
   * @param onLost - the thread failed or ended unasked; at most once.
   */
  constructor(
    file: string,
    workerData: object,
    transferList: Transferable[],
    onReport: (report: Exclude<Report, { type: 'failed' }>) => void,
    onLost: (error: StreamKitError) => void,
  ) {
    this.#onLost = onLost;
    this.#worker = new Worker(new URL(file, import.meta.url), { workerData, transferList, name: file });
    this.#worker.on('message', (report: Report | { type: 'failed'; message: string }) => {
      if (report.type === 'failed') {
        this.#lose(new Error('message' in report ? report.message : 'unknown'));
      } else if (!this.#closing) {
        onReport(report as Exclude<Report, { type: 'failed' }>);
      }
    });
    this.#worker.on('error', (error) => this.#lose(error));
    this.#worker.on('exit', () => this.#lose(new Error('The thread ended')));
  }

  post(request: Request): void {
    if (!this.#closing) this.#worker.postMessage(request);
  }

  /** Asks the thread to end and waits; one that does not end in time is terminated. Idempotent. */
  close(request: Request): Promise<void> {
    this.#closing ??= (async () => {
      this.#onLost = undefined;
      if (this.#worker.threadId === -1) return;
      // Not `events.once`: that rejects when the worker fails before it exits.
      const exited = new Promise((resolve) => this.#worker.once('exit', resolve));
      this.#worker.postMessage(request);
      const timer = setTimeout(() => void this.#worker.terminate(), CLOSE_TIMEOUT_MS);
      await exited;
      clearTimeout(timer);
    })();
    return this.#closing;
  }

  /** Ends it wherever it is, without waiting: nothing is reported any more. */
  abandon(): void {
    this.#onLost = undefined;
    this.#closing ??= this.#worker.terminate().then(() => undefined);
  }

  #lose(cause: unknown): void {
    const onLost = this.#onLost;
    this.#onLost = undefined;
    onLost?.(new StreamKitError('encoder_failed', 'The encoder failed', { cause }));
  }
}
