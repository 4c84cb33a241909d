import type { OpenConnection } from './publication.js';
import { PushConnection, type PushConnectionParameters } from './push-connection.js';

/** Prepares the connections of one publication by RTMP or SRT, one after the other. */
export class PushConnector<Share> {
  readonly #parameters: Omit<PushConnectionParameters<Share>, 'hurry'>;
  #last: PushConnection<Share> | undefined;

  constructor(parameters: Omit<PushConnectionParameters<Share>, 'hurry'>) {
    this.#parameters = parameters;
  }

  /** Waits until the last connection, which has ended, has left its thread: a hostile server of SRT can keep that busy for long. */
  async prepare(): Promise<OpenConnection<Share>> {
    await this.#last?.close();
    return (listener, hurry) => {
      this.#last = new PushConnection({ ...this.#parameters, hurry }, listener);
      return this.#last;
    };
  }
}
