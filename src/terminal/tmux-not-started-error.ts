import { StreamKitError } from '../base/errors.js';

/** tmux could not be asked: the system has no memory or descriptors for it. That says nothing of its sessions. */
export class TmuxNotStartedError extends StreamKitError {
  constructor(options: ErrorOptions = {}) {
    super('terminal_failed', 'The terminal could not be opened: tmux cannot be started', options);
    this.name = 'TmuxNotStartedError';
  }
}
