import { afterAll, beforeAll, expect, test } from 'vitest';

import { HOST_OPTIONS, HOSTS, type Host } from '../helpers/hosts.js';
import { openHttpViewer } from '../helpers/http-viewer.js';
import { ask, postJson } from '../helpers/router-server.js';
import { TestServer } from '../helpers/test-server.js';

/** The router in every framework at once, and one session that all of them serve. */
let server: TestServer;
let streamId: string;

beforeAll(async () => {
  server = await TestServer.start(HOST_OPTIONS);
  const url = `${server.origin}/stream/live`;
  const page = { targetUrl: server.page('mode=counter&tone=440') };
  ({ streamId } = (await postJson(url, page)).json);
  await server.state({ id: streamId, url: `${url}/${streamId}` }, ({ status }) => status === 'connecting');
});

afterAll(async () => {
  await server.close();
});

test.each(Object.entries(HOSTS))('picture and sound arrive through %s', async (_name, open) => {
  const host: Host = await open(server.router);
  const url = `${host.url}/${streamId}`;
  const viewer = await openHttpViewer(url, host.fetch);
  expect(viewer.received.video).toBeGreaterThan(0);
  expect(viewer.received.audio).toBeGreaterThan(0);
  expect((await ask(url, {}, host.fetch)).json).toMatchObject({ clientConnected: true });
  await viewer.close();
  while ((await ask(url, {}, host.fetch)).json.clientConnected === true);
  await host.close();
  expect(server.errors).toEqual([]);
});
