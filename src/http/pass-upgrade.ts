import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';

import { StreamKitError } from '../base/errors.js';

/** RFC 6455 section 4.1: 16 bytes in base64. */
const KEY = /^[+/0-9A-Za-z]{22}==$/;

/**
 * The key of a WebSocket handshake.
 *
 * @throws StreamKitError `bad_request` for a handshake that is none.
 */
export function handshakeKey({ headers }: Pick<IncomingMessage, 'headers'>): string {
  const key = headers['sec-websocket-key'] ?? '';
  if (!KEY.test(key) || headers['sec-websocket-version'] !== '13') {
    const expected = { headers: { 'Sec-WebSocket-Version': '13' } };
    throw new StreamKitError('bad_request', 'Expected a WebSocket handshake of version 13', expected);
  }
  return key;
}

/**
 * Passes a WebSocket on to a local socket, which answers it: bytes go both ways as they are, and neither end is read faster than
 * the other one takes it.
 *
 * @param key - see {@link handshakeKey}.
 * @returns resolves when both are closed.
 */
export async function passUpgrade(key: string, socket: Duplex, head: Buffer, path: string): Promise<void> {
  if (socket.destroyed) return;
  const local = connect(path);
  // Nothing else of the request goes there: no cookie, no token, no extension.
  local.write(
    'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
      `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
  );
  local.write(head);
  const ends = [socket, local].map(
    (end) =>
      new Promise<void>((resolve) => {
        // Why one ends does not matter; the other one ends with it.
        end.on('error', () => undefined);
        end.once('close', () => {
          socket.destroy();
          local.destroy();
          resolve();
        });
      }),
  );
  socket.pipe(local);
  local.pipe(socket);
  await Promise.all(ends);
}
