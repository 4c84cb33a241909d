import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';

import { errorResponse } from './error-response.js';

/** Answers in place of an upgrade. @returns the status. */
export function refuseUpgrade(socket: Duplex, thrown: unknown): number {
  const { status, headers, body = '' } = errorResponse(thrown);
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ];
  socket.on('error', () => undefined);
  socket.end(`${lines.join('\r\n')}\r\n\r\n${body.toString()}`, () => socket.destroy());
  return status;
}
