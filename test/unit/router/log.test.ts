import { pino, type Logger as PinoLogger } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { StreamKitError } from '../../../src/base/errors.js';
import { createWeriftMediaPlane } from '../../../src/fanout/werift-media-plane.js';
import type { Logger } from '../../../src/base/logger.js';
import { resolveOptions, type StreamKitOptions } from '../../../src/options/stream-kit-options.js';
import { createViewerPeerFactory } from '../../../src/peer/werift/werift-viewer-peer.js';
import type { StreamKitRouter } from '../../../src/http/stream-kit-router.js';
import { composeRouter } from '../../../src/router.js';
import { systemClock } from '../../../src/base/clock.js';
import { parseEvents } from '../../helpers/fake-event-sink.js';
import { FakeParts } from '../../helpers/session-fakes.js';
import { settle } from '../../helpers/virtual-clock.js';

/** Each stands for one place from which it must not get into a log. */
const secrets = {
  query: 's3cret-query',
  path: 's3cret-path',
  userInfo: 's3cret-user-info',
  header: 's3cret-header',
  initialData: 's3cret-initial-data',
  turn: 's3cret-turn-credential',
  icePassword: 's3creticepassword0123456',
  message: 's3cret-message',
  metadata: 's3cret-metadata',
  profile: 'feedfacefeedface',
};
const targetUrl = `https://game.example.org/${secrets.path}?token=${secrets.query}`;
const profile = `/dev/shm/stream-kit-12-34-${secrets.profile}/Default/Cookies`;

/** Its own shape, as the application has it: pino's type is ours without a cast. */
const asOurs = (logger: PinoLogger): Logger => logger;

let text: string;
let parts: FakeParts;
let router: StreamKitRouter;

/** A router whose every room logs to a real pino at every level. */
function openRouter(given: StreamKitOptions = {}): void {
  text = '';
  const stream = { write: (line: string) => void (text += line) };
  const logger = asOurs(pino({ level: 'trace' }, stream));
  const iceServers = [{ urls: 'turn:turn.example.org', username: 'u', credential: secrets.turn }];
  const options = resolveOptions({
    ...{ validateRequest: () => ({ authorized: true }), ...given },
    ...{ logger, iceServers },
  });
  parts = new FakeParts();
  Object.assign(parts, { logger: options.logger.child({ room: 'session' }) });
  router = composeRouter(options, parts);
}

beforeEach(() => openRouter());
afterEach(() => router.close());

function send(
  method: string,
  path: string,
  body?: object,
  headers: Record<string, string> = {},
): Promise<Response> {
  const allHeaders = {
    'content-type': 'application/json',
    authorization: `Bearer ${secrets.header}`,
    ...headers,
  };
  const init = { method, headers: allHeaders, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
  return router.fetch(new Request(`http://${secrets.userInfo}.example${path}`, init));
}

async function create(): Promise<string> {
  const { userInfo, initialData } = secrets;
  const response = await send('POST', `/?key=${secrets.query}`, {
    targetUrl,
    initialData: { userInfo, initialData },
  });
  return ((await response.json()) as { streamId: string }).streamId;
}

/** A viewer's event stream, read as far as its greeting and its offer. */
async function watch(streamId: string, query = ''): Promise<{ viewerId: string; leave(): Promise<void> }> {
  const response = await send('GET', `/${streamId}/sse${query}`);
  const reader = response.body?.getReader();
  let read = '';
  while (!read.includes('sdp_offer')) read += Buffer.from((await reader?.read())?.value ?? []).toString();
  const viewer = parseEvents(read).find(({ data }) => data.type === 'viewer');
  return { viewerId: viewer?.data.payload.viewerId, leave: async () => reader?.cancel() };
}

const lines = (): Record<string, any>[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));

/** Also as it stands in JSON, in a URL, or in base64. */
function expectNoSecrets(more: readonly string[] = []): void {
  for (const secret of [...Object.values(secrets), ...more]) {
    expect(text).not.toContain(secret);
    expect(text).not.toContain(Buffer.from(secret).toString('base64').slice(0, -4));
  }
}

describe('the log of a session', () => {
  it('names the session and the viewer in every line, and holds no secret', async () => {
    const streamId = await create();
    parts.launches[0]?.succeed();
    await settle();
    const first = await watch(streamId, `?token=${secrets.query}`);
    const second = await watch(streamId);
    parts.launches[0]?.listener.onPageMetadata({ secret: secrets.metadata }, 0);
    parts.launches[0]?.listener.onPageMessage({ secret: secrets.message });
    await send('POST', `/${streamId}/signal`, {
      viewerId: first.viewerId,
      type: 'message',
      payload: secrets.message,
    });
    parts.peers[0]?.connect();
    parts.videoListener?.onEncoderReplaced({
      ...{ codec: 'h264', rung: 0, candidate: 1 },
      failed: 'a',
      next: 'b',
      reason: `at ${targetUrl}`,
    });
    // What ICE, DTLS and SDP say when they break.
    const cause = new Error(`Bad line a=ice-pwd:${secrets.icePassword} for ${secrets.turn}`);
    parts.peers[1]?.listener.onFailed(new StreamKitError('unavailable', 'No path works', { cause }));
    await first.leave();
    await parts.clock.advance(20_000);
    // What a browser says when it breaks.
    parts.closeCapture = () => Promise.reject(new Error(`EBUSY: rmdir '${profile}'`));
    const lost = new Error(
      `Navigation to https://${secrets.userInfo}:x@game.example.org failed, profile ${profile}`,
    );
    const url = new Error(`net::ERR_FAILED at ${targetUrl}`, { cause: lost });
    parts.launches[0]?.listener.onEnded(
      new StreamKitError('browser_crashed', 'It went away', { cause: url }),
    );
    await settle();
    expectNoSecrets([first.viewerId, second.viewerId]);

    const told = lines();
    expect(told.map(({ msg }) => msg)).toEqual(
      expect.arrayContaining([
        ...['session created', 'session is live', 'session failed', 'session ended'],
        ...['viewer joined', 'viewer connected', 'viewer peer failed', 'viewer left'],
        ...['an encoder failed: another one goes on', 'a part did not close cleanly'],
      ]),
    );
    expect(told.filter((line) => line.streamId !== streamId)).toEqual([]);
    const ofViewers = told.filter(({ msg }) => String(msg).startsWith('viewer'));
    expect(ofViewers.map(({ msg, viewer }) => [viewer, msg])).toEqual([
      [1, 'viewer joined'],
      [2, 'viewer joined'],
      [1, 'viewer connected'],
      [2, 'viewer peer failed'],
      [1, 'viewer left'],
      [2, 'viewer left'],
    ]);
    // Not so little is left that nobody could find the fault.
    const failed = told.find(({ msg }) => msg === 'session failed');
    expect(failed?.err).toMatchObject({ type: 'StreamKitError', code: 'browser_crashed' });
    expect(failed?.err.stack).toContain('net::ERR_FAILED at https://game.example.org/…');
    expect(failed?.err.stack).toContain('log.test.ts');
  });

  it('holds no secret of a request that could not be validated', async () => {
    await router.close();
    openRouter({
      validateRequest: (request) => {
        throw new Error(`Cannot reach https://u:${secrets.userInfo}@auth.example/check?t=${secrets.query}`, {
          cause: request,
        });
      },
    });
    expect((await send('GET', `/some-id/sse?token=${secrets.query}`)).status).toBe(500);
    expect(lines().map(({ msg, streamId }) => [msg, streamId])).toEqual([['request failed', 'some-id']]);
    expectNoSecrets();
  });

  it('holds no secret of a real peer that is answered with nonsense', async () => {
    await router.close();
    openRouter();
    const mediaPlane = createWeriftMediaPlane({ clock: systemClock, logger: parts.logger });
    const openViewerPeer = createViewerPeerFactory({
      ...{ mediaPlane, logger: parts.logger, listenAddress: '127.0.0.1', holdsPictures: true },
    });
    const offers: string[] = [];
    const peer = openViewerPeer(
      { ...{ videoCodecs: ['h264'], audio: true, iceServers: [] }, logContext: { streamId: 'a', viewer: 1 } },
      {
        ...{
          onOffer: (sdp) => void offers.push(sdp),
          onIceCandidate: () => undefined,
          onLeft: () => undefined,
        },
        ...{ onConnected: () => undefined, onIceStateChange: () => undefined, onFailed: () => undefined },
      },
    );
    await peer.start();
    const [ours = ''] = /(?<=ice-pwd:).+/.exec(offers[0] ?? '') ?? [];
    const answer = (offers[0] ?? '')
      .replaceAll(/(?<=ice-pwd:).+/g, secrets.icePassword)
      .replaceAll('sendonly', 'recvonly');
    await peer.acceptAnswer(answer.replaceAll('actpass', 'active')).catch(() => undefined);
    for (let count = 0; count < 70; count += 1) {
      await peer.addIceCandidate({
        candidate: `candidate:1 1 udp 1 127.0.0.1 9 typ host pwd ${secrets.icePassword}`,
      });
    }
    await peer.close();
    await mediaPlane.close();
    expect(ours).not.toBe('');
    expectNoSecrets([ours]);
  });
});
