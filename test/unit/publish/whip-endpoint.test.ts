import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { afterEach, describe, expect, it } from 'vitest';

import { silentLogger } from '../../../src/base/logger.js';
import { EgressClient } from '../../../src/egress/egress-client.js';
import { targetPolicyOptions } from '../../../src/options/target-policy-options.js';
import { PublicationFailure } from '../../../src/publish/publication-failure.js';
import { WhipEndpoint, type WhipResource } from '../../../src/publish/whip-endpoint.js';
import { VirtualClock } from '../../helpers/virtual-clock.js';

const anywhere = targetPolicyOptions({ allowPrivateAddresses: true }, 'targets');
const servers: Server[] = [];

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

function publish(
  url: string,
  policy = anywhere,
  signal = new AbortController().signal,
  resolve?: ConstructorParameters<typeof EgressClient>[2],
): Promise<WhipResource> {
  const client = new EgressClient(policy, silentLogger, resolve);
  return new WhipEndpoint(client, { url: new URL(url), token: 'secret' }).publish('v=0\r\n', signal);
}

async function failureOf(work: Promise<unknown>): Promise<PublicationFailure> {
  const thrown: unknown = await work.catch((error: unknown) => error);
  if (thrown instanceof PublicationFailure) return thrown;
  throw new Error(`It was ${String(thrown)}`);
}

describe('an endpoint', () => {
  it.each([
    [401, true],
    [404, false],
    [415, true],
    [429, false],
    [500, false],
    [301, true],
  ])('that answers %i fails for good: %s', async (status, isFinal) => {
    const origin = await serve((_, response) => {
      response.writeHead(status, { 'Retry-After': '100000', Location: '/other' }).end('x'.repeat(1000));
    });
    const failure = await failureOf(publish(origin));
    expect(failure).toMatchObject({
      isFinal,
      message: `The endpoint answers ${status}`,
      retryAfterMs: 60_000,
    });
  });

  it('that redirects in a circle is left', async () => {
    let asked = 0;
    const origin = await serve((_, response) => {
      asked += 1;
      response.writeHead(308, { Location: `/${asked}` }).end();
    });
    expect((await failureOf(publish(origin))).isFinal).toBe(true);
    expect(asked).toBe(4);
  });

  it.each(['file:///etc/passwd', 'http://u:p@127.0.0.1/', 'gopher://127.0.0.1/'])(
    'that redirects to %s is left',
    async (location) => {
      const origin = await serve((_, response) => void response.writeHead(307, { Location: location }).end());
      expect((await failureOf(publish(origin))).isFinal).toBe(true);
    },
  );

  it('that redirects to a private address is refused', async () => {
    const inner = await serve(() => expect.unreachable());
    const outer = await serve((_, response) => void response.writeHead(307, { Location: inner }).end());
    const outerPort = Number(new URL(outer).port);
    const policy = targetPolicyOptions(
      { allowPrivateAddresses: (_: string, port: number) => port === outerPort },
      'targets',
    );
    expect(await failureOf(publish(outer, policy))).toMatchObject({ code: 'bad_target_url', isFinal: true });
  });

  it('whose name leads to a private address is refused', async () => {
    const origin = await serve(() => expect.unreachable());
    const url = `http://whip.example:${new URL(origin).port}/`;
    const policy = targetPolicyOptions({}, 'targets');
    const work = publish(url, policy, undefined, (_, done) =>
      done(null, [{ address: '127.0.0.1', family: 4 }]),
    );
    expect((await failureOf(work)).code).toBe('bad_target_url');
  });

  it.each([
    ['with no end', Infinity],
    ['of 64 KiB and one byte', 64 * 1024 + 1],
  ])('that answers with a body %s is left', async (_name, bytes) => {
    const origin = await serve((_, response) => {
      response.writeHead(201);
      let left = bytes;
      const write = (): void => {
        for (; left > 0 && response.write('x'.repeat(Math.min(left, 1024))); left -= 1024);
        if (left <= 0) response.end();
      };
      response.on('drain', write);
      write();
    });
    const failure = await failureOf(publish(origin));
    expect(failure.isFinal).toBe(false);
    expect((failure.cause as Error).message).toBe('The answer is larger than 64 KiB');
  });

  it('that takes the request for something else is left', async () => {
    const origin = await serve((_, response) => {
      response.writeHead(101, { Connection: 'Upgrade', Upgrade: 'websocket' }).end();
    });
    expect(await failureOf(publish(origin))).toMatchObject({
      isFinal: false,
      message: 'The endpoint cannot be reached, or does not answer',
    });
  });

  it('that never answers is left after a while', async () => {
    const clock = new VirtualClock();
    const client = new EgressClient(anywhere, silentLogger);
    let asked = (): void => undefined;
    const isAsked = new Promise<void>((resolve) => (asked = resolve));
    const url = new URL(await serve(() => asked()));
    const endpoint = new WhipEndpoint(client, { url, token: undefined }, clock);
    const failure = failureOf(endpoint.publish('v=0\r\n', new AbortController().signal));
    await isAsked;
    await clock.advance(10_000);
    expect(await failure).toMatchObject({
      isFinal: false,
      message: 'The endpoint cannot be reached, or does not answer',
    });
    expect(clock.pendingTimers).toBe(0);
  });

  it('that never answers is left when nobody wants it any more', async () => {
    const abort = new AbortController();
    const origin = await serve(() => abort.abort(new Error('enough')));
    await expect(publish(origin, anywhere, abort.signal)).rejects.toThrow('enough');
  });

  it('names its resource, its ICE servers and its entity tag', async () => {
    const seen: unknown[] = [];
    const origin = await serve((request, response) => {
      const { method, url, headers } = request;
      seen.push([method, url, headers['if-match'], headers.authorization, headers['content-type']]);
      if (method !== 'POST') response.writeHead(method === 'PATCH' ? 405 : 200).end();
      else {
        response.setHeader('Link', [
          '<stun:s.example>; rel="ice-server"',
          '<turn:t.example?transport=udp>; rel=ice-server; username="a;b"; credential="c\\"d"',
        ]);
        response.writeHead(201, { Location: '../r/1', ETag: 'W/weak' }).end('answer');
      }
    });
    const resource = await publish(`${origin}/whip/v1/endpoint`);
    expect(resource.answer).toBe('answer');
    expect(resource.iceServers).toEqual([
      { urls: 'stun:s.example' },
      { urls: 'turn:t.example?transport=udp', username: 'a;b', credential: 'c"d' },
    ]);
    const { signal } = new AbortController();
    expect(await resource.trickle('a=x\r\n', signal)).toBe(false);
    await resource.delete(signal);
    expect(seen).toEqual([
      ['POST', '/whip/v1/endpoint', undefined, 'Bearer secret', 'application/sdp'],
      ['PATCH', '/whip/r/1', 'W/weak', 'Bearer secret', 'application/trickle-ice-sdpfrag'],
      ['DELETE', '/whip/r/1', undefined, 'Bearer secret', undefined],
    ]);
  });
});
