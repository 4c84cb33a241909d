import { StreamKitError, type StreamKitErrorOptions } from './errors.js';

/** `at_capacity` because of this server, whoever asks: another one may have room. */
export class NoRoomError extends StreamKitError {
  constructor(message: string, options: StreamKitErrorOptions) {
    super('at_capacity', message, options);
  }
}
