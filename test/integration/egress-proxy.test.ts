import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { connect, createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { EgressProxy, type ResolveName } from '../../src/capture/egress-proxy.js';
import { silentLogger } from '../../src/logger.js';
import { targetPolicyOptions } from '../../src/target-policy.js';

/** The service that a page may or may not reach. */
let service: Server;
let port: number;
let seen: IncomingMessage[];
let answer: RequestListener;
let proxy: EgressProxy | undefined;

beforeEach(async () => {
  seen = [];
  answer = (_incoming, response) => void response.end('reached');
  service = createServer((incoming, response) => {
    seen.push(incoming);
    answer(incoming, response);
  }).listen(0, '127.0.0.1');
  await once(service, 'listening');
  ({ port } = service.address() as AddressInfo);
});

afterEach(async () => {
  await proxy?.close();
  service.closeAllConnections();
  service.close();
  await once(service, 'close');
});

/** Names by address; each question takes the next of a name's addresses. */
function open(policy: object, names: Readonly<Record<string, string[]>> = {}): Promise<URL> {
  const resolve: ResolveName = (hostname, callback) => {
    const [address] = names[hostname]?.splice(0, 1) ?? [];
    if (address === undefined) callback(Object.assign(new Error(), { code: 'ENOTFOUND' }), []);
    else callback(null, [{ address, family: 4 }]);
  };
  proxy = new EgressProxy(targetPolicyOptions(policy, 'targetPolicy'), silentLogger, resolve);
  return proxy.origin().then((origin) => new URL(origin));
}

async function get(through: URL, url: string, headers: Record<string, string> = {}): Promise<any> {
  const outgoing = request({
    host: through.hostname,
    port: through.port,
    path: url,
    headers: { Host: 'proxy', ...headers },
  });
  const [response] = (await once(outgoing.end(), 'response')) as [IncomingMessage];
  const { statusCode: status, headers: answered } = response;
  return { status, headers: answered, body: await text(response) };
}

async function tunnel(through: URL, target: string): Promise<{ head: string; socket: Socket }> {
  const socket = connect(Number(through.port), through.hostname);
  socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`);
  const [head] = (await once(socket, 'data')) as [Buffer];
  return { head: head.toString('latin1'), socket };
}

test('what is permitted is passed on, both ways, without what concerns one connection', async () => {
  const through = await open(
    { allowPrivateAddresses: true, denyHosts: ['no.example'] },
    { 'yes.example': ['127.0.0.1'] },
  );
  answer = (_incoming, response) => {
    response.writeHead(201, [
      ...['Set-Cookie', 'a=1', 'Set-Cookie', 'b=2', 'X-Own', '1', 'Connection', 'X-Own, close'],
      ...['Proxy-Status', 'forged; error=dns_error'],
    ]);
    response.end('reached');
  };
  const { status, headers, body } = await get(through, `http://yes.example:${port}/a?b`, {
    'Proxy-Connection': 'keep-alive',
    Cookie: 'c=3',
    Host: 'other.example',
  });
  expect([status, body, headers['set-cookie']]).toEqual([201, 'reached', ['a=1', 'b=2']]);
  expect([headers['x-own'], headers['proxy-status']]).toEqual([undefined, undefined]);
  expect(
    seen.map(({ url, headers: sent }) => [url, sent.host, sent.cookie, sent['proxy-connection']]),
  ).toEqual([['/a?b', `yes.example:${port}`, 'c=3', undefined]]);
});

test('a tunnel carries bytes both ways', async () => {
  const through = await open({ allowPrivateAddresses: true, denyHosts: ['no.example'] });
  const { head, socket } = await tunnel(through, `127.0.0.1:${port}`);
  expect(head).toMatch(/^HTTP\/1\.1 200 /);
  socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  expect(await text(socket)).toMatch(/reached$/);
});

test.each([
  ['a private address', '127.0.0.1'],
  ['another form of it', '2130706433'],
  ['its form in IPv6', '[::ffff:127.0.0.1]'],
  ['a name of it', 'inside.example'],
  ['a denied name', 'denied.example'],
])('%s is refused, plain and tunnelled', async (_what, host) => {
  const names = { 'inside.example': ['127.0.0.1', '127.0.0.1'], 'denied.example': ['8.8.8.8', '8.8.8.8'] };
  const through = await open({ denyHosts: ['denied.example'] }, names);
  const error = host === 'denied.example' ? 'http_request_denied' : 'destination_ip_prohibited';
  const { status, headers } = await get(through, `http://${host}:${port}/`);
  expect([status, headers['proxy-status']]).toEqual([403, `egress; error=${error}`]);
  const { head, socket } = await tunnel(through, `${host}:${port}`);
  expect(head).toMatch(/^HTTP\/1\.1 403 Forbidden\r\n/);
  socket.destroy();
  expect(seen).toEqual([]);
});

test('a name that changes its address is connected to where it was checked', async () => {
  const asked: string[] = [];
  const allowPrivateAddresses = (address: string): boolean => {
    asked.push(address);
    return address === '127.0.0.1';
  };
  // A second question would lead elsewhere.
  const through = await open({ allowPrivateAddresses }, { 'rebinding.example': ['127.0.0.1', '127.0.0.2'] });
  expect((await get(through, `http://rebinding.example:${port}/`)).body).toBe('reached');
  expect((await get(through, `http://rebinding.example:${port}/`)).status).toBe(403);
  expect(asked).toEqual(['127.0.0.1', '127.0.0.2']);
});

test('what cannot be reached, and what is no request to a proxy, is told apart', async () => {
  const through = await open({ allowPrivateAddresses: () => true, schemes: ['http'] });
  const [closed] = [createServer().listen(0, '127.0.0.1')];
  await once(closed, 'listening');
  const { port: free } = closed.address() as AddressInfo;
  closed.close();
  const errorOf = async (url: string): Promise<[number, string]> => {
    const { status, headers } = await get(through, url);
    return [status, headers['proxy-status']];
  };
  expect(await errorOf('http://nowhere.example/')).toEqual([502, 'egress; error=dns_error']);
  expect(await errorOf(`http://127.0.0.1:${free}/`)).toEqual([502, 'egress; error=connection_refused']);
  for (const url of ['/', 'https://a.example/', 'http://user@a.example/', 'ftp://a.example/']) {
    expect(await errorOf(url), url).toEqual([403, 'egress; error=http_request_denied']);
  }
});

test.each([
  [
    'a status that is none',
    'HTTP/1.1 099 x\r\nContent-Length: 0\r\n\r\n',
    [502, 'egress; error=destination_unavailable'],
  ],
  ['a trailer without chunks', 'HTTP/1.1 200 x\r\nTrailer: a\r\nContent-Length: 0\r\n\r\n', [200, undefined]],
  ['no HTTP', '\0\0\0\0\r\n\r\n', [502, 'egress; error=destination_unavailable']],
  ['nothing', '', [502, 'egress; error=destination_unavailable']],
] as const)('an answer with %s harms nobody', async (_what, bytes, expected) => {
  const hostile = createTcpServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.end(bytes));
  }).listen(0, '127.0.0.1');
  await once(hostile, 'listening');
  const through = await open({ allowPrivateAddresses: () => true });
  const { status, headers } = await get(
    through,
    `http://127.0.0.1:${(hostile.address() as AddressInfo).port}/`,
  );
  expect([status, headers['proxy-status']]).toEqual(expected);
  // The proxy goes on.
  expect((await get(through, `http://127.0.0.1:${port}/`)).body).toBe('reached');
  hostile.close();
});

test('closing cuts what is open, and can be done twice', async () => {
  const through = await open({ allowPrivateAddresses: () => true });
  const { socket } = await tunnel(through, `127.0.0.1:${port}`);
  const closed = once(socket, 'close');
  await proxy?.close();
  await closed;
  await proxy?.close();
});
