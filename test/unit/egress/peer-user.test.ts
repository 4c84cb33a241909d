import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

import { expect, it } from 'vitest';

import { isOwnPeer, userOfPeer } from '../../../src/egress/peer-user.js';

const TABLE = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 111 1 0000 100 0 0 10 0
   1: 0100007F:1F90 0100007F:C001 01 00000000:00000000 00:00000000 00000000  1000        0 222 1 0000 20 4 30 10 -1
   2: 0100007F:C001 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1001        0 333 1 0000 20 4 30 10 -1
`;

it('the user of a connection is the one of its other end', () => {
  expect(userOfPeer(TABLE, 0xc001, 0x1f90)).toBe(1001);
  expect(userOfPeer(TABLE, 0x1f90, 0xc001)).toBe(1000);
  expect(userOfPeer(TABLE, 0xc002, 0x1f90)).toBeUndefined();
  expect(userOfPeer('', 1, 2)).toBeUndefined();
});

it('a connection of this process is its own', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [socket] = (await once(server, 'connection')) as [Socket];
  expect(await isOwnPeer(socket)).toBe(true);
  client.destroy();
  server.close();
});
