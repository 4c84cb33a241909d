import { afterEach, describe, expect, it } from 'vitest';

import type { IceServersContext } from '../../../src/options/ice-server-options.js';
import type { StreamKitOptions } from '../../../src/options/stream-kit-options.js';
import type { FakePeer } from '../../helpers/session-fakes.js';
import { EventStreamClient, postJson, type RouterServer, serveRouter } from '../../helpers/router-server.js';
import { settle } from '../../helpers/virtual-clock.js';

const TURN = { urls: 'turn:turn.example.org' };
let server: RouterServer;
let logged: string[];

afterEach(async () => {
  await server.close();
});

async function serve(options: StreamKitOptions): Promise<string> {
  logged = [];
  const log = (bindings: unknown, message?: string): void =>
    void logged.push(
      `${message} ${JSON.stringify(bindings, (_, value: unknown) => (value instanceof Error ? value.message : value))}`,
    );
  const logger = { debug: log, info: log, warn: log, error: log, child: () => logger };
  server = await serveRouter({ logger, ...options });
  const { json } = await postJson(server.url, { targetUrl: 'https://example.org/' });
  return json.streamId as string;
}

async function watch(
  streamId: string,
  query = '',
): Promise<{ events: EventStreamClient; iceServers: any; viewerId: string }> {
  const events = await EventStreamClient.open(`${server.url}/${streamId}/sse${query}`);
  return { events, ...(await events.signal<{ iceServers: any; viewerId: string }>('viewer')) };
}

function lastPeer(): FakePeer {
  const peer = server.parts.peers.at(-1);
  if (peer === undefined) throw new Error('There is no peer');
  return peer;
}

describe('iceServers', () => {
  it('gives each end those that it is to use', async () => {
    const streamId = await serve({
      iceServers: [
        { urls: 'stun:a' },
        { ...TURN, username: 'u', credential: 'c', usedBy: 'viewers' },
        { urls: 'turn:b', username: 'u', credential: 'c', usedBy: 'server' },
      ],
    });
    const { iceServers } = await watch(streamId);
    expect(iceServers).toEqual([{ urls: 'stun:a' }, { ...TURN, username: 'u', credential: 'c' }]);
    expect(lastPeer().parameters.iceServers).toEqual([
      { urls: 'stun:a' },
      { urls: 'turn:b', username: 'u', credential: 'c' },
    ]);
  });

  it('makes credentials for each viewer, new ones with an ICE restart, and tells nobody the secret', async () => {
    const streamId = await serve({
      iceServers: [{ ...TURN, turnRest: { secret: 'north', lifetimeSeconds: 600 } }],
    });
    const [first, second] = [await watch(streamId), await watch(streamId)];
    const endSeconds = Math.floor(server.parts.clock.wallMs() / 1000) + 600;
    const userOf = ({ iceServers }: { iceServers: any }): string => {
      const [, end, user] = /^(\d+):(.+)$/.exec(iceServers[0].username as string) ?? [];
      expect(Number(end)).toBe(endSeconds);
      return user ?? '';
    };
    expect(userOf(first)).not.toBe(userOf(second));
    expect(lastPeer().parameters.iceServers).toEqual(second.iceServers);

    lastPeer().connect();
    await server.parts.clock.advance(1000);
    const { viewerId } = second;
    expect(
      (await postJson(`${server.url}/${streamId}/signal`, { viewerId, type: 'ice_restart' })).status,
    ).toBe(204);
    const { iceServers } = await second.events.signal<{ iceServers: any }>('ice_servers');
    expect(iceServers[0].username).toBe(`${endSeconds + 1}:${userOf(second)}`);
    expect(lastPeer().renewedServers).toEqual(iceServers);
    // Before the offer that they are for.
    const types = second.events.events.map(({ data }) => data.type as string);
    expect(types.indexOf('ice_servers')).toBeLessThan(types.lastIndexOf('sdp_offer'));
    expect(first.events.text + second.events.text + logged.join()).not.toContain('north');
  });

  it('asks the application for those of one viewer, again with an ICE restart, and not for one that comes back', async () => {
    const asked: IceServersContext[] = [];
    const streamId = await serve({
      validateRequest: () => ({ authorized: true, callerContext: { account: 7 } }),
      iceServers: (context) => {
        asked.push(context);
        return Promise.resolve([{ ...TURN, username: `u${asked.length}`, credential: 'c' }]);
      },
    });
    const { viewerId, iceServers } = await watch(streamId);
    expect(iceServers).toEqual([{ ...TURN, username: 'u1', credential: 'c' }]);
    expect(asked).toEqual([{ streamId, callerContext: { account: 7 } }]);
    lastPeer().connect();
    const again = await watch(streamId, `?viewerId=${viewerId}`);
    expect([again.viewerId, again.iceServers]).toEqual([viewerId, iceServers]);
    await postJson(`${server.url}/${streamId}/signal`, { viewerId, type: 'ice_restart' });
    expect(await again.events.signal('ice_servers')).toEqual({
      iceServers: [{ ...TURN, username: 'u2', credential: 'c' }],
    });
    expect(asked).toHaveLength(2);
    // One that wants no media needs none.
    expect((await watch(streamId, '?media=none')).iceServers).toEqual([]);
    expect(asked).toHaveLength(2);
  });

  it.each([
    [
      'throws',
      () => {
        throw new Error('the vault is closed');
      },
      'the vault is closed',
    ],
    ['rejects', () => Promise.reject(new Error('the vault is closed')), 'the vault is closed'],
    [
      'names what is none',
      () => [{ urls: 'http://a' }] as never,
      'Expected stun: or turn: URL for the result of iceServers[0].urls',
    ],
    ['names nothing', () => undefined as never, 'Expected array for the result of iceServers'],
  ])(
    'lets a viewer in without any where the function %s, and says so in the log',
    async (_, iceServers, reason) => {
      const streamId = await serve({ iceServers });
      const { events, iceServers: given } = await watch(streamId);
      expect(given).toEqual([]);
      await events.signal('sdp_offer');
      expect(logged.filter((line) => line.includes(reason))).toHaveLength(1);
    },
  );

  it('does not wait for the function longer than 5 s', async () => {
    const streamId = await serve({ iceServers: () => new Promise(() => undefined) });
    const watching = watch(streamId);
    while (server.parts.peers.length === 0) {
      await server.parts.clock.advance(1000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await settle();
    expect((await watching).iceServers).toEqual([]);
    expect(logged.join()).toContain('Expected an answer from iceServers within 5000 ms');
  });
});
