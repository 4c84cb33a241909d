import { StreamKitError } from './errors.js';

/** A terminal that an earlier run of the server has left is gone: nothing of it is worth keeping. */
export class LeftTerminalEndedError extends StreamKitError {
  constructor() {
    super('terminal_failed', 'The terminal has ended while the server was away');
    this.name = 'LeftTerminalEndedError';
  }
}
