import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import {
  connect,
  createServer as createTcpServer,
  type AddressInfo,
  type Server as TcpServer,
  type Socket,
} from 'node:net';
import { Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import { finished } from 'node:stream/promises';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import type { ResolveName } from '../../src/egress/egress-dialer.js';
import { EgressProxy, SIGN_IN_URL, type EgressLimits } from '../../src/egress/egress-proxy.js';
import { carryTunnel } from '../../src/egress/egress-tunnel.js';
import { silentLogger } from '../../src/base/logger.js';
import { targetPolicyOptions } from '../../src/options/target-policy-options.js';

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
  proxy = undefined;
  service.closeAllConnections();
  service.close();
  await once(service, 'close');
});

/** Each question takes the next of a name's addresses. */
function resolver(names: Readonly<Record<string, string[]>>): ResolveName {
  return (hostname, callback) => {
    const [address] = names[hostname]?.splice(0, 1) ?? [];
    if (address === undefined) callback(Object.assign(new Error(), { code: 'ENOTFOUND' }), []);
    else callback(null, [{ address, family: 4 }]);
  };
}

async function open(
  policy: object,
  names: Readonly<Record<string, string[]>> | ResolveName = {},
  limits: Partial<EgressLimits> = {},
): Promise<URL> {
  const resolve = typeof names === 'function' ? names : resolver(names);
  const targetPolicy = targetPolicyOptions(policy, 'targetPolicy');
  proxy = await EgressProxy.open(targetPolicy, silentLogger, resolve, limits);
  return new URL(proxy.url);
}

function credentialsOf({ username, password }: URL): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

async function get(through: URL, url: string, headers: Record<string, string> = {}): Promise<any> {
  const outgoing = request({
    host: through.hostname,
    port: through.port,
    path: url,
    headers: { Host: 'proxy', 'Proxy-Authorization': credentialsOf(through), ...headers },
  });
  const [response] = (await once(outgoing.end(), 'response')) as [IncomingMessage];
  const { statusCode: status, headers: answered, rawHeaders } = response;
  return { status, headers: answered, rawHeaders, body: await text(response) };
}

async function tunnel(through: URL, target: string): Promise<{ head: string; socket: Socket }> {
  const socket = connect(Number(through.port), through.hostname);
  socket.write(
    `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\nProxy-Authorization: ${credentialsOf(through)}\r\n\r\n`,
  );
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
      ...['Proxy-Status', 'forged; error=dns_error', '__proto__', 'p', 'constructor', 'c'],
    ]);
    response.end('reached');
  };
  const { status, headers, rawHeaders, body } = await get(through, `http://yes.example:${port}/a?b`, {
    'Proxy-Connection': 'keep-alive',
    ['__proto__']: 'q',
    Cookie: 'c=3',
    Host: 'other.example',
  });
  expect([status, body, headers['set-cookie']]).toEqual([201, 'reached', ['a=1', 'b=2']]);
  expect([headers['x-own'], headers['proxy-status']]).toEqual([undefined, undefined]);
  expect(rawHeaders.join()).toContain('__proto__,p,constructor,c');
  expect(seen[0]?.rawHeaders.join()).toContain('__proto__,q');
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
  [
    'an upgrade that nobody asked for',
    'HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: a\r\n\r\n',
    [502, 'egress; error=destination_unavailable'],
  ],
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

test('of many addresses a few are tried, of both families', async () => {
  const asked: string[] = [];
  const allowPrivateAddresses = (address: string): boolean => asked.push(address) > 0;
  // Nothing listens on the IPv6 address.
  const through = await open({ allowPrivateAddresses }, (hostname, callback) => {
    const sixes = Array.from({ length: 9 }, () => ({ address: '::1', family: 6 }));
    callback(null, hostname === 'both.example' ? [...sixes, { address: '127.0.0.1', family: 4 }] : sixes);
  });
  expect((await get(through, `http://both.example:${port}/`)).body).toBe('reached');
  asked.length = 0;
  expect((await get(through, `http://six.example:${port}/`)).status).toBe(502);
  expect(asked).toHaveLength(4);
});

test.each([
  ['a name', { resolveMs: 20 }, 'dns_timeout'],
  ['all together', { connectMs: 20 }, 'connection_timeout'],
])('%s may take so long and no longer', async (_what, limits, error) => {
  const through = await open({ allowPrivateAddresses: () => true }, () => undefined, limits);
  const { status, headers } = await get(through, 'http://slow.example/');
  expect([status, headers['proxy-status']]).toEqual([502, `egress; error=${error}`]);
  const { head } = await tunnel(through, 'slow.example:443');
  expect(head).toContain(`\r\nproxy-status: egress; error=${error}\r\n`);
});

test('nothing is connected for a client that has left while the name was looked up', async () => {
  let connections = 0;
  service.on('connection', () => connections++);
  const lookups: Parameters<ResolveName>[1][] = [];
  const through = await open({ allowPrivateAddresses: () => true }, (hostname, callback) => {
    if (hostname === 'quick.example') callback(null, [{ address: '127.0.0.1', family: 4 }]);
    else lookups.push(callback);
  });
  for (const head of [`CONNECT slow.example:${port} HTTP/1.1`, `GET http://slow.example:${port}/ HTTP/1.1`]) {
    const client = connect(Number(through.port), through.hostname);
    client.write(`${head}\r\nHost: x\r\nProxy-Authorization: ${credentialsOf(through)}\r\n\r\n`);
    const asked = lookups.length;
    while (lookups.length === asked) await new Promise((resolve) => setImmediate(resolve));
    client.end();
    await once(client.resume(), 'close');
  }
  for (const callback of lookups) callback(null, [{ address: '127.0.0.1', family: 4 }]);
  // Whatever those began was begun before this.
  expect((await get(through, `http://quick.example:${port}/`)).body).toBe('reached');
  expect(connections).toBe(1);
});

describe('a client without the credentials of the session', () => {
  const wrong = `Basic ${Buffer.from('session:guessed').toString('base64')}`;

  test.each([
    ['none', {}],
    ['others', { 'Proxy-Authorization': wrong }],
    ['those of another proxy', { 'Proxy-Authorization': 'other' }],
  ])('gets nowhere with %s', async (_name, { 'Proxy-Authorization': given = '' }: Record<string, string>) => {
    const targetPolicy = targetPolicyOptions({}, 'targetPolicy');
    const another = await EgressProxy.open(targetPolicy, silentLogger);
    const through = await open({ allowPrivateAddresses: true });
    const authorization = given === 'other' ? credentialsOf(new URL(another.url)) : given;
    await another.close();
    for (const url of [`http://127.0.0.1:${port}/`, SIGN_IN_URL]) {
      const refused = await get(through, url, { 'Proxy-Authorization': authorization });
      expect([refused.status, refused.headers['proxy-authenticate'], refused.body]).toEqual([
        407,
        'Basic realm="egress"',
        '',
      ]);
    }
    const tunnel = connect(Number(through.port), through.hostname);
    tunnel.write(
      `CONNECT 127.0.0.1:${port} HTTP/1.1\r\nHost: x\r\nProxy-Authorization: ${authorization}\r\n\r\n`,
    );
    expect(await text(tunnel)).toMatch(/^HTTP\/1\.1 407 /);
    expect(seen).toHaveLength(0);
    expect((await get(through, SIGN_IN_URL)).status).toBe(204);
  });

  test('does not learn them from a request that is passed on', async () => {
    const through = await open({ allowPrivateAddresses: true });
    await get(through, `http://127.0.0.1:${port}/`);
    expect(seen[0]?.headers['proxy-authorization']).toBeUndefined();
  });
});

describe('a tunnel', () => {
  let far: TcpServer;
  let accepted: Socket[];

  beforeEach(async () => {
    accepted = [];
    far = createTcpServer({ allowHalfOpen: true }, (socket) => {
      accepted.push(socket.on('error', () => undefined));
    }).listen(0, '127.0.0.1');
    await once(far, 'listening');
  });

  afterEach(() => {
    for (const socket of accepted) socket.destroy();
    far.close();
  });

  async function connected(
    limits: Partial<EgressLimits>,
    policy: object = {},
  ): Promise<{ near: Socket; end: Socket }> {
    const through = await open({ allowPrivateAddresses: () => true, ...policy }, {}, limits);
    const accepting = once(far, 'connection');
    const target = `127.0.0.1:${(far.address() as AddressInfo).port}`;
    const near = connect({ port: Number(through.port), host: through.hostname, allowHalfOpen: true });
    near.write(
      `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\nProxy-Authorization: ${credentialsOf(through)}\r\n\r\n`,
    );
    const [[end]] = [(await accepting) as [Socket], await once(near, 'data')];
    return { near: near.on('error', () => undefined), end };
  }

  test.each([
    ['what it leads to', (near: Socket, end: Socket) => [end, near]],
    ['the browser', (near: Socket, end: Socket) => [near, end]],
  ] as const)('of which %s has ended may go on for a moment', async (_which, order) => {
    const patient = await connected({ lingerMs: 60_000 });
    const [ended, other] = order(patient.near, patient.end) as [Socket, Socket];
    ended.end('last');
    const told = once(other, 'end');
    expect(String((await once(other, 'data'))[0])).toBe('last');
    await told;
    other.write('later');
    expect(String((await once(ended, 'data'))[0])).toBe('later');
    await proxy?.close();

    const { near, end } = await connected({ lingerMs: 50 });
    const [first, second] = order(near, end) as [Socket, Socket];
    const cut = once(first.resume(), 'close');
    first.end();
    await once(second.resume(), 'end');
    await cut;
    // Whoever was told the end before learns from an error that nobody listens any more.
    while (!second.destroyed) {
      second.write('x');
      await new Promise((resolve) => setImmediate(resolve));
    }
  });

  test('that has ended is emptied first', async () => {
    let taken = '';
    const slow = new Duplex({
      read: () => undefined,
      write: (chunk, _encoding, callback) => {
        taken += String(chunk);
        // Longer than it would linger.
        setTimeout(callback, 60);
      },
    });
    const upstream = connect((far.address() as AddressInfo).port, '127.0.0.1');
    const [end] = (await once(far, 'connection')) as [Socket];
    carryTunnel(slow, upstream, Buffer.alloc(0), { tlsOnly: false, idleMs: 10_000, lingerMs: 20 });
    const told = finished(slow, { readable: false });
    end.write('first');
    await once(upstream, 'data');
    end.end('last');
    await told;
    expect(taken).toBe('firstlast');
    slow.destroy();
  });

  test('through which nothing goes is cut', async () => {
    const { near, end } = await connected({ idleMs: 50 });
    await Promise.all([once(near.resume(), 'end'), once(end.resume(), 'end')]);
  });

  test('carries nothing but TLS where pages may do no less', async () => {
    for (const [first, passes] of [
      ['GET / HTTP/1.1\r\n\r\n', false],
      ['\x16\x03\x01', true],
    ] as const) {
      const { near, end } = await connected({}, { schemes: ['https'] });
      const got = text(end);
      const answer = text(near);
      near.write(first);
      if (passes) {
        near.end();
        end.end('answer');
      }
      expect([await got, await answer]).toEqual(passes ? [first, 'answer'] : ['', '']);
      await proxy?.close();
    }
  });
});

test('a browser has only so many connections', async () => {
  const through = await open({ allowPrivateAddresses: () => true }, {}, { connections: 2 });
  const target = `127.0.0.1:${port}`;
  const [{ socket }] = [await tunnel(through, target), await tunnel(through, target)];
  await expect(get(through, `http://${target}/`)).rejects.toThrow('socket hang up');
  socket.destroy();
  await once(socket, 'close');
  // The place is free when the proxy has seen it.
  let body: unknown;
  while (body !== 'reached')
    ({ body } = await get(through, `http://${target}/`).catch(() => ({ body: undefined })));
});

test('closing cuts what is open, and can be done twice', async () => {
  const through = await open({ allowPrivateAddresses: () => true });
  const { socket } = await tunnel(through, `127.0.0.1:${port}`);
  const closed = once(socket, 'close');
  await proxy?.close();
  await closed;
  await proxy?.close();
});
