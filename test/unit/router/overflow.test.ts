import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

import { afterEach, beforeEach, expect, it } from 'vitest';

import {
  ask,
  EventStreamClient,
  postJson,
  type RouterServer,
  serveRouter,
} from '../../helpers/router-server.js';
import { until } from '../../helpers/patience.js';
import { settle } from '../../helpers/virtual-clock.js';

const SOURCE = { kind: 'whep', url: 'https://sfu.example.org/whep/1', token: 'of-this-viewer' } as const;

let whip: Server;
let tokens: (string | undefined)[];
let server: RouterServer;
let session: string;

beforeEach(async () => {
  tokens = [];
  whip = createServer((request, response) => {
    tokens.push(request.headers.authorization);
    request
      .resume()
      .on('end', () => response.writeHead(201, { 'content-type': 'application/sdp' }).end('answer'));
  });
  whip.listen(0, '127.0.0.1');
  await once(whip, 'listening');
  const { port } = whip.address() as AddressInfo;
  server = await serveRouter({
    maxViewersPerSession: 1,
    publications: { targets: { allowPrivateAddresses: true } },
    overflow: {
      when: { viewers: 1 },
      publish: () => ({ url: `http://127.0.0.1:${port}/whip`, token: 'of-the-publisher' }),
      play: ({ publicId }) => ({ ...SOURCE, url: `${SOURCE.url}?${publicId}` }),
    },
  });
  const { json } = await postJson(`${server.url}/`, { targetUrl: 'https://game.example.org/' });
  session = `${server.url}/${json.streamId}`;
  server.parts.launches[0]?.succeed();
  await settle();
});

afterEach(async () => {
  await server.close();
  whip.closeAllConnections();
  whip.close();
});

it('sends a client that says it can to where the application names, and refuses another', async () => {
  const first = await EventStreamClient.open(`${session}/sse`);
  await first.signal('sdp_offer');
  const second = await EventStreamClient.open(`${session}/sse?mediaSources=later,whep`);
  expect(second.response.status).toBe(200);
  await second.signal('viewer');
  const peer = await until(() => {
    const [, publisher] = server.parts.peers;
    expect(publisher).toBeDefined();
    return publisher;
  });
  peer?.listener.onIceCandidate(null);
  await until(() => expect(peer?.answers).toEqual(['answer']));
  peer?.connect();
  expect(await second.signal('media_source')).toEqual({ ...SOURCE, url: `${SOURCE.url}?2` });
  expect(tokens).toEqual(['Bearer of-the-publisher']);
  const { json } = await ask(`${session}/diagnostics`);
  expect(json.viewers).toMatchObject([
    { publicId: '1', elsewhere: false },
    { publicId: '2', elsewhere: true },
  ]);
  expect(first.text + JSON.stringify(json)).not.toContain('of-th');

  // It is told at once, by the answer: there is nothing to wait for.
  const other = await ask(`${session}/sse`);
  expect([other.status, other.json.error.code]).toEqual([429, 'at_capacity']);
  expect(other.headers.get('retry-after')).toBe('5');
});
