import { Worker } from 'node:worker_threads';

import type { MuxPacket } from './mux-packet.js';
import type { MuxRequest } from './recording-messages.js';

export interface MuxThreadListener<Report> {
  onReport(report: Report): void;
  /** The thread is gone, asked or not; nothing more comes. Once. */
  onGone(): void;
}

/** A thread that muxes packets. */
export interface MuxThread {
  /** The packet's bytes go to the thread and are gone here. */
  send(packet: MuxPacket): void;
  /** Lets it write what is left and end by itself. Idempotent. */
  stop(): void;
  /** As {@link stop}, but one that does not end in time is terminated. Resolves when it is gone. Idempotent. */
  close(): Promise<void>;
}

export type OpenMuxThread<Data, Report> = (data: Data, listener: MuxThreadListener<Report>) => MuxThread;

/** How long a thread may take to write its rest, ms. */
const CLOSE_TIMEOUT_MS = 3000;

/** @param file - of the worker, relative to this module. */
export function muxThreadOpener<Data extends object, Report>(file: string): OpenMuxThread<Data, Report> {
  return (workerData, listener) => new MuxWorkerThread(file, workerData, listener);
}

class MuxWorkerThread<Report> implements MuxThread {
  readonly #worker: Worker;
  readonly #gone: Promise<void>;
  #stopped = false;

  constructor(file: string, workerData: object, listener: MuxThreadListener<Report>) {
    this.#worker = new Worker(new URL(file, import.meta.url), { workerData, name: file });
    this.#worker.on('message', (report: Report) => listener.onReport(report));
    // An exit follows.
    this.#worker.on('error', () => undefined);
    // Not `events.once`: that rejects when the worker fails before it exits.
    this.#gone = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        listener.onGone();
        resolve();
      });
    });
  }

  send(packet: MuxPacket): void {
    this.#post({ type: 'packet', packet }, [packet.bytes.buffer as ArrayBuffer]);
  }

  stop(): void {
    if (this.#stopped) return;
    this.#post({ type: 'stop' });
    this.#stopped = true;
  }

  async close(): Promise<void> {
    this.stop();
    const timer = setTimeout(() => void this.#worker.terminate(), CLOSE_TIMEOUT_MS);
    await this.#gone;
    clearTimeout(timer);
  }

  #post(request: MuxRequest, transfer: ArrayBuffer[] = []): void {
    if (!this.#stopped) this.#worker.postMessage(request, transfer);
  }
}
