import { StreamConnection } from './connection/stream-connection.js';
import type { ConnectStreamOptions } from './connection/stream-options.js';

/**
 * Connects to a session, or creates one first. Returns at once; everything that happens is told by events, and
 * what cannot be mended by `status` becoming `failed` after an `error` that says why.
 *
 * @throws TypeError when not exactly one of `streamId` and `create` is given.
 */
export function connectStream(options: ConnectStreamOptions): StreamConnection {
  return new StreamConnection(options);
}
