import { createSecretKey } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { CallerPassports } from '../../../src/cluster/caller-passport.js';
import type { NodeRecord } from '../../../src/cluster/directory.js';
import { jsonOf } from '../../../src/cluster/json-answer.js';
import { RequestPasser } from '../../../src/cluster/request-passer.js';
import { anybody } from '../../helpers/session-fakes.js';
import { codeOf } from '../../helpers/session-harness.js';
import { VirtualClock } from '../../helpers/virtual-clock.js';

const request = {
  path: '/',
  query: new URLSearchParams(),
  headers: {},
  caller: anybody,
  prefix: '',
  streamId: '',
};

let clock: VirtualClock;
let server: Server;
let answer: RequestListener;
let passer: RequestPasser;
let node: NodeRecord;

beforeEach(async () => {
  clock = new VirtualClock();
  server = createServer((...given) => answer(...given));
  // An idle connection is not what ends a body.
  server.keepAliveTimeout = 0;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  node = { nodeId: 'there', incarnation: '1', url, room: 1, region: undefined, gpu: false };
  passer = new RequestPasser({
    passports: new CallerPassports({ key: createSecretKey(Buffer.from('secret')), nodeId: 'here', clock }),
    watch: () => () => undefined,
    hasMoved: () => Promise.resolve(false),
    clock,
  });
});

afterEach(async () => {
  passer.close();
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
  expect(clock.pendingTimers).toBe(0);
});

it('a body that a node answers without reading it is sent no further', async () => {
  answer = (_request, response) => void response.end('{"taken":false}');
  let isRead = true;
  async function* endless(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) yield await Promise.resolve(new Uint8Array(65_536));
    } finally {
      isRead = false;
    }
  }
  const response = await passer.pass(node, { ...request, method: 'PUT', body: endless() });
  expect(await jsonOf(response)).toEqual({ taken: false });
  await expect.poll(() => isRead).toBe(false);
});

it('a request to a node that does not answer in time is given up', async () => {
  let state = 'none';
  answer = (asked) => {
    state = 'open';
    asked.once('close', () => (state = 'closed'));
  };
  const passing = passer.pass(node, { ...request, method: 'HEAD', body: undefined, headTimeoutMs: 1000 });
  const code = codeOf(() => passing);
  await expect.poll(() => state).toBe('open');
  await clock.advance(1000);
  expect(await code).toBe('unavailable');
  await expect.poll(() => state).toBe('closed');
});
