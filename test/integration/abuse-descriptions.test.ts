import { afterEach, describe, expect, it } from 'vitest';

import { systemClock } from '../../src/base/clock.js';
import { loadNativeAddon } from '../../src/fanout/load-native-addon.js';
import type { MediaPlane } from '../../src/fanout/media-plane.js';
import { NativeMediaPlane } from '../../src/fanout/native-media-plane.js';
import { createWeriftMediaPlane } from '../../src/fanout/werift-media-plane.js';
import { silentLogger } from '../../src/base/logger.js';
import type { AbuseServer } from '../helpers/abuse-server.js';
import { startAbuseServer } from '../helpers/abuse-server.js';
import { mutatedText, PLAYER_FRAGMENT, PLAYER_OFFER } from '../helpers/mutated-requests.js';
import { extraHandles, resourcesInUse, resourcesLeft } from '../helpers/resources.js';
import { ask, EventStreamClient, postJson } from '../helpers/router-server.js';
import { seededRandom } from '../helpers/seeded-random.js';
import { SEED } from '../helpers/seed.js';

const addon = loadNativeAddon();
const tools = { clock: systemClock, logger: silentLogger };
const planes: [name: string, create: (() => MediaPlane) | undefined][] = [
  ['werift', () => createWeriftMediaPlane(tools)],
  ['native', addon && (() => new NativeMediaPlane({ addon, udpPort: 0, ...tools }))],
];
/** Addresses to which no check can go, or should not. */
const ADDRESSES = [
  ...['fe80::1%lo', 'fe80::1%nowhere', '::1%0', '::', 'ff02::1', '::ffff:127.0.0.1', '0.0.0.0', '127.0.0.1'],
  ...['255.255.255.255', '224.0.0.1', '240.0.0.1', 'name.local', '1.2.3', '127.1', '0x7f.1', 'a'.repeat(300)],
];
/** What a client can be told of its own mistakes, of its haste, and of others that are before it. */
const REFUSALS = [400, 404, 409, 412, 415, 422, 428, 429, 503];

// ICE, DTLS and UDP are real.
describe.each(planes)(`descriptions over the %s plane, seed ${SEED}`, (_name, createPlane) => {
  let server: AbuseServer;
  const uncaught: unknown[] = [];

  afterEach(() => {
    expect([...server.errors, ...uncaught]).toEqual([]);
  });

  it('that are garbage are refused or served, and leave nothing behind', async (context) => {
    if (createPlane === undefined) return context.skip();
    const onUncaught = (error: unknown): void => void uncaught.push(error);
    process.on('unhandledRejection', onUncaught).on('uncaughtException', onUncaught);
    const random = seededRandom(SEED);
    const before = await resourcesInUse();
    server = await startAbuseServer({ maxViewersPerSession: 12, viewerReattachMs: 0 }, createPlane);
    const session = `${server.url}/${await server.liveSession()}`;
    const statuses = new Map<number, number>();
    const note = (status: number, shown: string): void => {
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      expect([200, 201, 204, ...REFUSALS], `seed ${SEED}: ${status} for ${shown}`).toContain(status);
    };
    const send = async (method: string, path: string, type: string, body: string, ifMatch = '*') => {
      const headers = { 'content-type': type, 'if-match': ifMatch };
      const answer = await ask(`${session}${path}`, { method, headers, body });
      note(answer.status, body);
      return answer;
    };

    // Offers of players, and what they send later.
    for (let round = 0; round < 16; round++) {
      const offer = round % 6 === 0 ? PLAYER_OFFER : mutatedText(PLAYER_OFFER, random);
      const { status, headers } = await send('POST', '/whep', 'application/sdp', offer);
      if (status !== 201) continue;
      const player = `/whep/${headers.get('location')?.split('/').at(-1)}`;
      const type = 'application/trickle-ice-sdpfrag';
      const candidates = ADDRESSES.map((address, i) => `a=candidate:${i} 1 udp ${i} ${address} 9 typ host`);
      await send('PATCH', player, type, `${candidates.join('\r\n')}\r\n`);
      for (let i = 0; i < 5; i++) await send('PATCH', player, type, mutatedText(PLAYER_FRAGMENT, random));
      if (random() < 0.8) await send('DELETE', player, type, '');
    }

    // Answers of viewers, and their candidates before and after them.
    for (let round = 0; round < 2; round++) {
      const events = await EventStreamClient.open(`${session}/sse`);
      if (events.response.status !== 200) break;
      const { viewerId } = await events.signal<{ viewerId: string }>('viewer');
      const signal = async (type: string, payload: unknown): Promise<void> =>
        note((await postJson(`${session}/signal`, { viewerId, type, payload })).status, String(payload));
      const offer = await events.signal<string>('sdp_offer');
      const answer = PLAYER_OFFER.replace('a=setup:actpass', 'a=setup:active').replaceAll(
        'a=setup:actpass',
        'a=setup:active',
      );
      const candidate = async (): Promise<void> => {
        const address = ADDRESSES[Math.floor(random() * ADDRESSES.length)];
        const text = mutatedText(`candidate:1 1 udp 2122260223 ${address} 9 typ host`, random);
        await signal('ice_candidate', {
          candidate: random() < 0.5 ? text : text.slice(0, 60),
          sdpMid: '0',
          sdpMLineIndex: 0,
        });
      };
      for (let i = 0; i < 10; i++) {
        await candidate();
        await signal('sdp_answer', mutatedText(i % 3 === 0 ? offer : answer, random));
        await signal('ice_restart', null);
      }
      await signal('sdp_answer', answerTo(offer));
      for (let i = 0; i < 10; i++) await candidate();
      for (const address of ADDRESSES) {
        await signal('ice_candidate', {
          candidate: `candidate:1 1 udp 1 ${address} 9 typ host`,
          sdpMLineIndex: 0,
        });
      }
      events.abort();
    }
    expect([...statuses.keys()]).toEqual(expect.arrayContaining([201, 204, 409, 422]));
    await server.close();
    expect(extraHandles(await resourcesLeft(before), before)).toEqual([]);
    process.off('unhandledRejection', onUncaught).off('uncaughtException', onUncaught);
  });
});

/** What a browser could have said. */
function answerTo(offer: string): string {
  return offer.replaceAll('a=sendonly', 'a=recvonly').replaceAll('a=setup:actpass', 'a=setup:active');
}
