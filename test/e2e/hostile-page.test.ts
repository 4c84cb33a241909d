import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createServer as createTcpServer, type AddressInfo } from 'node:net';

import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';

import { until } from '../helpers/patience.js';
import { TestServer } from '../helpers/test-server.js';

/** What becomes of what a browser gives to its user alone: nothing waits for one. */
const CAPABILITIES = {
  geolocation: 'code 1',
  notifications: 'denied',
  midi: 'NotAllowedError',
  camera: expect.stringMatching(/^Not(Found|Allowed)Error$/),
  microphone: expect.stringMatching(/^Not(Found|Allowed)Error$/),
  display: 'NotAllowedError',
  clipboard: 'NotAllowedError',
  fonts: 'SecurityError',
  screens: 'NotAllowedError',
  idle: 'NotAllowedError',
  usb: 'SecurityError',
  serial: 'SecurityError',
  hid: 'SecurityError',
  openFile: 'SecurityError',
  saveFile: 'SecurityError',
  directory: 'SecurityError',
  fileInput: '0',
  file: 'TypeError',
  fullscreen: 'TypeError',
  alert: 'undefined',
  confirm: 'false',
  prompt: 'null',
  print: 'undefined',
  mail: 'undefined',
  program: 'undefined',
  leaveToFile: 'undefined',
  leaveToBrowser: 'undefined',
  leaveToSource: 'undefined',
  savedFile: 'undefined',
  popup: 'closed',
};

/** A service of this machine that pages must not reach: what came, by the path that names the way. */
const reached = new Set<string>();
const victim = createServer((request, response) => {
  reached.add((request.url ?? '').slice(1));
  response.writeHead(200, { 'Access-Control-Allow-Origin': '*' }).end();
});
victim.on('upgrade', (request, socket) => {
  reached.add((request.url ?? '').slice(1));
  socket.destroy();
});

/** What came over the ways that are no HTTP, each to a socket of its own. */
const received: Record<string, number> = {};
const udpSockets = ['stun', 'turn', 'candidate', 'webtransport'].map((way) => ({
  way,
  socket: createSocket('udp4').on('message', () => (received[way] = (received[way] ?? 0) + 1)),
}));
const tcpServers = ['turntcp'].map((way) => ({
  way,
  server: createTcpServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', () => (received[way] = (received[way] ?? 0) + 1));
  }),
}));
const rawWays = [...udpSockets, ...tcpServers].map(({ way }) => way);

beforeAll(async () => {
  victim.listen(0, '127.0.0.1');
  await once(victim, 'listening');
  for (const { socket } of udpSockets) await once(socket.bind(0, '127.0.0.1'), 'listening');
  for (const { server } of tcpServers) await once(server.listen(0, '127.0.0.1'), 'listening');
});

beforeEach(() => {
  reached.clear();
  for (const way of rawWays) received[way] = 0;
});

afterAll(() => {
  victim.closeAllConnections();
  victim.close();
  for (const { socket } of udpSockets) socket.close();
  for (const { server } of tcpServers) server.close();
});

interface Attack {
  /** Ways of HTTP. */
  readonly tried: string[];
  readonly capabilities: Readonly<Record<string, string>>;
  /** The page that it still is. */
  readonly here: string;
}

/** What the page tried, while it is being captured like any other. */
async function attack(server: TestServer, more = ''): Promise<Attack> {
  const ports = [
    ['victim', (victim.address() as AddressInfo).port],
    ...udpSockets.map(({ way, socket }) => [way, socket.address().port]),
    ...tcpServers.map(({ way, server: tcp }) => [way, (tcp.address() as AddressInfo).port]),
  ];
  const query = ports.map(([way, port]) => `${way}=${port}`).join('&');
  const session = await server.create(`${server.origin}/fixtures/hostile.html?${query}${more}`);
  const { metadata, status } = await server.state(
    session,
    (state) => state.metadata.page?.tried !== undefined,
  );
  expect(status).toBe('connecting');
  expect((await fetch(`${session.url}/snapshot`)).status).toBe(200);
  return metadata.page as Attack;
}

test('a page reaches the machine it runs on by none of many ways, and only because of the policy', async () => {
  const closed = await TestServer.start({
    targetPolicy: { allowPrivateAddresses: (_address, port) => String(port) === new URL(closed.origin).port },
  });
  try {
    const { capabilities, here } = await attack(closed, '&capabilities');
    expect([...reached]).toEqual([]);
    expect(received).toEqual(Object.fromEntries(rawWays.map((way) => [way, 0])));
    // Nor does it get what only a user gives, and nothing of it stops the page.
    expect(capabilities).toEqual(CAPABILITIES);
    expect(here).toContain('/hostile.html');
  } finally {
    await closed.close();
  }

  const open = await TestServer.start();
  try {
    const { tried } = await attack(open);
    await until(() => {
      // What is a document has an icon besides.
      reached.delete('favicon.ico');
      // A tab that nobody has pressed for is closed, perhaps before it asks for anything.
      reached.delete('popup');
      expect([...reached].sort()).toEqual(tried.filter((way) => way !== 'popup').sort());
      for (const way of rawWays) expect([way, received[way]]).not.toEqual([way, 0]);
    });
  } finally {
    await open.close();
  }
});

test('a target on this machine is refused at once, and one whose name leads there when it is resolved', async () => {
  const server = await TestServer.start({ targetPolicy: {} });
  try {
    for (const url of [server.page(''), 'http://localhost/', 'http://[::1]/', 'http://0x7f.1/']) {
      await expect(server.create(url), url).rejects.toThrow('bad_target_url');
    }
    // This machine's own name resolves to an address of its own, or to none.
    const session = await server.create('http://stream-kit-test.internal/');
    const { error } = await server.state(session, ({ status }) => status === 'error');
    expect(error).toMatch(
      /The page could not be loaded: (dns_error|dns_timeout|destination_ip_prohibited), /,
    );
  } finally {
    await server.close();
  }
});
