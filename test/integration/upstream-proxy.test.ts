import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { silentLogger } from '../../src/base/logger.js';
import type { ResolveName } from '../../src/egress/egress-dialer.js';
import { EgressProxy } from '../../src/egress/egress-proxy.js';
import { targetPolicyOptions } from '../../src/options/target-policy-options.js';

const PUBLIC = '93.184.216.34';

/** What pages load: whatever the proxy is asked for, it connects to this. */
let site: Server;
let upstream: Server;
/** What the proxy was asked for, with the credentials. */
let asked: [string | undefined, string | undefined][];
let answer: string;
let proxy: EgressProxy;

const portOf = (server: Server): number => (server.address() as AddressInfo).port;
const resolve: ResolveName = (hostname, callback) => {
  const address = { 'a.example': PUBLIC, 'private.example': '10.1.2.3', 'proxy.example': '127.0.0.1' }[
    hostname
  ];
  if (address === undefined) callback(Object.assign(new Error(), { code: 'ENOTFOUND' }), []);
  else callback(null, [{ address, family: 4 }]);
};

beforeEach(async () => {
  asked = [];
  answer = 'HTTP/1.1 200 Connection established\r\n\r\n';
  site = createServer(({ url, headers }, response) => void response.end(`${headers.host}${url}`));
  upstream = createServer((_request, response) => void response.writeHead(405).end());
  upstream.on('connect', ({ url, headers }: IncomingMessage, client) => {
    asked.push([url, headers['proxy-authorization']]);
    client.on('error', () => undefined);
    if (!answer.includes(' 200 ')) return void client.end(answer);
    const onward = connect(portOf(site), '127.0.0.1').on('error', () => undefined);
    client.write(answer);
    client.pipe(onward).pipe(client);
  });
  for (const server of [site, upstream]) await once(server.listen(0, '127.0.0.1'), 'listening');
});

afterEach(async () => {
  await proxy.close();
  for (const server of [site, upstream]) {
    server.closeAllConnections();
    server.close();
  }
});

async function open(policy: object, isChecked = false): Promise<void> {
  const url = `http://user:p%40ss@proxy.example:${portOf(upstream)}/`;
  const options = targetPolicyOptions(policy, 'targetPolicy');
  proxy = await EgressProxy.open(options, silentLogger, resolve, {}, { upstream: { url, isChecked } });
}

async function get(target: string): Promise<[number | undefined, string]> {
  const { hostname, port, username, password } = new URL(proxy.url);
  const credentials = Buffer.from(`${username}:${password}`).toString('base64');
  const headers = { 'Proxy-Authorization': `Basic ${credentials}` };
  const outgoing = request({ host: hostname, port, path: target, headers });
  const [response] = (await once(outgoing.end(), 'response')) as [IncomingMessage];
  const { statusCode, headers: answered } = response;
  return [statusCode, statusCode === 200 ? await text(response) : String(answered['proxy-status'])];
}

test('all goes through the upstream proxy, which is told the address that was checked', async () => {
  await open({});
  expect(await get('http://a.example/path')).toEqual([200, 'a.example/path']);
  const authorization = `Basic ${Buffer.from('user:p@ss').toString('base64')}`;
  expect(asked).toEqual([[`${PUBLIC}:80`, authorization]]);
});

test('a tunnel goes through it, with what came along with its answer', async () => {
  await open({});
  answer += 'early ';
  const { hostname, port, username, password } = new URL(proxy.url);
  const credentials = Buffer.from(`${username}:${password}`).toString('base64');
  const socket = connect(Number(port), hostname);
  socket.write(
    `CONNECT a.example:443 HTTP/1.1\r\nHost: a\r\nProxy-Authorization: Basic ${credentials}\r\n\r\n` +
      'GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
  );
  const all = await text(socket);
  expect(all).toMatch(/^HTTP\/1\.1 200 .*\r\n\r\nearly HTTP\/1\.1 200 [^]*a\/x/);
  expect(asked.map(([target]) => target)).toEqual([`${PUBLIC}:443`]);
});

test.each(['private.example', '127.0.0.1', '[::1]', 'localhost'])(
  'what the policy does not permit is not asked of it: %s',
  async (host) => {
    await open({});
    expect((await get(`http://${host}/`))[0]).toBeOneOf([403, 502]);
    expect(asked).toEqual([]);
  },
);

test('where every address is permitted it finds those of names itself', async () => {
  await open({ allowPrivateAddresses: true });
  expect(await get('http://only-there.example:8080/')).toEqual([200, 'only-there.example:8080/']);
  expect(asked.map(([target]) => target)).toEqual(['only-there.example:8080']);
});

test('one that a client has chosen must be one that pages may reach', async () => {
  await open({}, true);
  expect(await get('http://a.example/')).toEqual([403, expect.stringContaining('destination_ip_prohibited')]);
  await proxy.close();
  await open({ allowPrivateAddresses: true, denyHosts: ['proxy.example'] }, true);
  expect(await get('http://a.example/')).toEqual([403, expect.stringContaining('http_request_denied')]);
  expect(asked).toEqual([]);
});

test.each([
  'HTTP/1.1 407 Proxy Authentication Required\r\n\r\n',
  'nonsense',
  `HTTP/1.1 ${'x'.repeat(20_000)}`,
])('one that does not connect is told apart: %#', async (refusal) => {
  await open({});
  answer = refusal;
  expect(await get('http://a.example/')).toEqual([502, expect.stringContaining('proxy_configuration_error')]);
});
