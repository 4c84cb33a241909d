import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

import { expect, it } from 'vitest';

import { TimeoutError, withTimeout } from '../../../src/base/with-timeout.js';

it('takes what came while the process stood still, and gives up what did not come', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [[peer]] = await Promise.all([accepted, once(socket, 'connect')]);
  // Timers are looked at before sockets from here on.
  await new Promise(setImmediate);
  const timed = withTimeout(once(socket, 'data'), 5);
  peer.write('answer');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
  expect(String((await timed)[0])).toBe('answer');
  await expect(withTimeout(once(socket, 'data'), 1)).rejects.toThrow(TimeoutError);
  socket.destroy();
  peer.destroy();
  server.close();
});
