import { dePacketizeRtpPackets } from 'werift';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { systemClock } from '../../src/base/clock.js';
import { silentLogger } from '../../src/base/logger.js';
import { loadNativeAddon } from '../../src/fanout/load-native-addon.js';
import type { MediaPlane } from '../../src/fanout/media-plane.js';
import { NativeMediaPlane } from '../../src/fanout/native-media-plane.js';
import { createWeriftMediaPlane } from '../../src/fanout/werift-media-plane.js';
import type { StreamKitRouter } from '../../src/http/stream-kit-router.js';
import type { PublicationOptions } from '../../src/options/publication-options.js';
import { resolveOptions } from '../../src/options/stream-kit-options.js';
import { createViewerPeerFactory } from '../../src/peer/werift/werift-viewer-peer.js';
import { createVideoPayloader } from '../../src/render/packetize/video-payloader.js';
import type { RungIndex } from '../../src/protocol/video-stream.js';
import { composeRouter } from '../../src/router.js';
import { encodedPictures } from '../helpers/encoded-pictures.js';
import { PATIENCE_MS } from '../helpers/patience.js';
import { ask, postJson } from '../helpers/router-server.js';
import { FakeParts } from '../helpers/session-fakes.js';
import { Contract } from '../helpers/contract.js';
import { settle } from '../helpers/virtual-clock.js';
import { WhipServer } from '../helpers/whip-server.js';
import { PictureDecoder } from './picture-source.js';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

const TOKEN = 'a-very-secret-token';
const addon = loadNativeAddon();
const tools = { clock: systemClock, logger: silentLogger };
const planes: [name: string, create: (() => MediaPlane) | undefined][] = [
  ['werift', () => createWeriftMediaPlane(tools)],
  ['native', addon && (() => new NativeMediaPlane({ addon, udpPort: 0, ...tools }))],
];
const pictures = encodedPictures('h264', '320x180', 1);

/** Pages and encoders are played; HTTP, ICE, DTLS, SRTP, UDP and the decoder are real. */
class Publisher {
  readonly #contract: Contract;
  #frames = 0;

  private constructor(
    readonly parts: FakeParts,
    readonly router: StreamKitRouter,
    readonly server: Server,
    readonly session: string,
    contract: Contract,
  ) {
    this.#contract = contract;
  }

  static async open(
    mediaPlane: MediaPlane,
    publications: boolean | PublicationOptions = { targets: { allowPrivateAddresses: true } },
  ): Promise<Publisher> {
    const openViewerPeer = createViewerPeerFactory({
      ...{ mediaPlane, ...tools },
      holdsPictures: false,
      listenAddress: '127.0.0.1',
    });
    const parts = Object.assign(new FakeParts(), {
      ...{ mediaPlane, openViewerPeer, createVideoPayloader },
      clock: systemClock,
    });
    const router = composeRouter(resolveOptions({ publications, maxRungs: 3 }), parts);
    const server = createServer((request, response) => void router(request, response));
    const contract = new Contract().watch(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const created = await postJson(`${origin}/`, { targetUrl: 'https://game.example.org/' });
    parts.launches[0]?.succeed();
    await settle();
    return new Publisher(parts, router, server, `${origin}/${created.json.streamId}`, contract);
  }

  publish(body: unknown): ReturnType<typeof postJson> {
    return postJson(`${this.session}/publications`, body);
  }

  async info(publicationId: string): Promise<any> {
    return (await ask(`${this.session}/publications/${publicationId}`)).json;
  }

  async untilStatus(publicationId: string, status: string): Promise<any> {
    await expect
      .poll(async () => (await this.info(publicationId)).status as string, { timeout: PATIENCE_MS })
      .toBe(status);
    return this.info(publicationId);
  }

  /** One picture of each of these encodings, and one packet of sound. */
  send(rungs: readonly RungIndex[] = [0]): void {
    const picture = pictures[this.#frames % pictures.length];
    if (picture === undefined) throw new Error('There are no pictures');
    const captureTimeUs = systemClock.nowUs();
    const media = { bytes: picture.bytes, rtpTimestamp: ++this.#frames * 3000, captureTimeUs };
    for (const rung of rungs) {
      this.parts.videoListener?.onEncodedFrame({
        ...media,
        codec: 'h264',
        keyframe: picture.keyframe,
        ...{ readTimeUs: 0, rung, encodedTimeUs: 0, repeated: false },
      });
    }
    this.parts.audioListener?.onEncodedAudio({ ...media, bytes: Buffer.from('sound'), codec: 'opus' });
  }

  async close(): Promise<void> {
    await this.router.close();
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
    this.#contract.assert();
  }
}

describe.each(planes)('a publication over the %s plane', (_name, createPlane) => {
  let whip: WhipServer;
  let publisher: Publisher;

  beforeEach(async (context) => {
    if (createPlane === undefined) return context.skip();
    whip = await WhipServer.start();
    publisher = await Publisher.open(createPlane());
  });

  afterEach(async () => {
    if (createPlane === undefined) return;
    await publisher.close();
    await whip.close();
  });

  it('sends pictures that decode, keyframes when asked, and says goodbye', async () => {
    const { status, json, headers } = await publisher.publish({
      url: `${whip.origin}/live/key`,
      token: TOKEN,
    });
    expect(status).toBe(201);
    expect(json).toMatchObject({ status: 'connecting', origin: whip.origin, attempts: 1 });
    expect(headers.get('location')).toBe(
      `${new URL(publisher.session).pathname}/publications/${json.publicationId}`,
    );
    const live = await publisher.untilStatus(json.publicationId, 'live');
    expect(JSON.stringify(live)).not.toContain(TOKEN);
    expect(JSON.stringify(live)).not.toContain('key');

    const [post] = whip.of('POST');
    expect(post?.headers).toMatchObject({
      authorization: `Bearer ${TOKEN}`,
      'content-type': 'application/sdp',
    });
    expect(post?.body).toMatch(/a=candidate:.* typ host/);
    expect(post?.body).toContain('a=sendonly');
    expect(post?.body).toContain('a=end-of-candidates');

    const decoder = new PictureDecoder('h264');
    const decoded: [number, number][] = [];
    const decodeWhatCame = (): void => {
      const frames = new Map<number, typeof whip.rtp>();
      for (const packet of whip.rtp.splice(0)) {
        if (packet.header.payloadType !== 102) continue;
        const { timestamp } = packet.header;
        frames.set(timestamp, [...(frames.get(timestamp) ?? []), packet]);
      }
      for (const packets of frames.values()) {
        const picture = decoder.decode(dePacketizeRtpPackets('MPEG4/ISO/AVC', packets).data);
        if (picture !== undefined) decoded.push([picture.width, picture.height]);
      }
    };
    await expect
      .poll(
        () => {
          publisher.send();
          decodeWhatCame();
          return decoded.length;
        },
        { timeout: PATIENCE_MS },
      )
      .toBeGreaterThan(10);
    decoder.close();
    expect(decoded[0]).toEqual([320, 180]);

    const asked = (): number => publisher.parts.events.filter((event) => event === 'keyframe h264').length;
    const before = asked();
    const receiver = whip.peer?.getReceivers().find(({ kind }) => kind === 'video');
    const ssrc = receiver?.tracks[0]?.ssrc ?? 0;
    await expect
      .poll(
        () => {
          void receiver?.sendRtcpPLI(ssrc);
          return asked();
        },
        { timeout: PATIENCE_MS },
      )
      .toBeGreaterThan(before);

    const { json: diagnostics } = await ask(`${publisher.session}/diagnostics`);
    expect(diagnostics.publications).toMatchObject([
      { publicationId: json.publicationId, status: 'live', videoCodec: 'h264', media: 'connected' },
    ]);
    expect(await publisher.router.metrics()).toContain('stream_kit_publications{status="live"} 1');
    const { json: state } = await ask(publisher.session);
    expect(state).toMatchObject({
      status: 'streaming',
      metadata: { publications: [{ publicationId: json.publicationId, status: 'live' }] },
    });

    const ended = await ask(`${publisher.session}/publications/${json.publicationId}`, { method: 'DELETE' });
    expect(ended.status).toBe(204);
    expect(whip.of('DELETE')).toMatchObject([
      { path: '/live/resource/1', headers: { authorization: `Bearer ${TOKEN}` } },
    ]);
    expect((await ask(`${publisher.session}/publications`)).json).toEqual({ publications: [] });
  });

  it('sends an encoding of its own for each layer of a simulcast, and makes keyframes for the one that is asked for', async () => {
    whip.takesSimulcast = true;
    const { json } = await publisher.publish({ url: `${whip.origin}/live`, simulcast: true });
    await publisher.untilStatus(json.publicationId, 'live');
    expect(whip.of('POST')[0]?.body).toContain('a=simulcast:send f;h;q');
    const answer = whip.peer?.localDescription?.sdp ?? '';
    const ridId = Number(/^a=extmap:(\d+) \S+:rtp-stream-id/m.exec(answer)?.[1]);
    const ssrcs = new Map<string, number>();
    await expect
      .poll(
        () => {
          publisher.send([0, 1, 2]);
          for (const { header } of whip.rtp.splice(0)) {
            const rid = header.extensions.find(({ id }) => id === ridId)?.payload.toString();
            if (header.payloadType === 102 && rid !== undefined) ssrcs.set(rid, header.ssrc);
          }
          return [...ssrcs.keys()].toSorted();
        },
        { timeout: PATIENCE_MS },
      )
      .toEqual(['f', 'h', 'q']);
    expect(new Set(ssrcs.values()).size).toBe(3);

    const asked = (): string[] =>
      publisher.parts.events.splice(0).filter((event) => event.startsWith('keyframe'));
    asked();
    const receiver = whip.peer?.getReceivers().find(({ kind }) => kind === 'video');
    const requests = new Set<string>();
    await expect
      .poll(
        () => {
          void receiver?.sendRtcpPLI(ssrcs.get('h') ?? 0);
          for (const event of asked()) requests.add(event);
          return [...requests];
        },
        { timeout: PATIENCE_MS },
      )
      .toEqual(['keyframe h264/1']);
    const { json: diagnostics } = await ask(`${publisher.session}/diagnostics`);
    expect(diagnostics.publications[0]).toMatchObject({
      rung: { height: 1080 },
      layers: [
        { rid: 'f', sent: true, rung: { height: 1080 } },
        { rid: 'h', sent: true, rung: { height: 540 } },
        { rid: 'q', sent: true, rung: { height: 270 } },
      ],
    });
    await ask(`${publisher.session}/publications/${json.publicationId}`, { method: 'DELETE' });
  });

  it('sends one stream to an endpoint that takes no simulcast', async () => {
    const { json } = await publisher.publish({ url: `${whip.origin}/live`, simulcast: true });
    await publisher.untilStatus(json.publicationId, 'live');
    const ssrcs = new Set<number>();
    let packets = 0;
    await expect
      .poll(
        () => {
          publisher.send([0, 1, 2]);
          for (const { header } of whip.rtp.splice(0)) {
            if (header.payloadType !== 102) continue;
            packets += 1;
            ssrcs.add(header.ssrc);
          }
          return packets;
        },
        { timeout: PATIENCE_MS },
      )
      .toBeGreaterThan(10);
    expect(ssrcs.size).toBe(1);
    const { json: diagnostics } = await ask(`${publisher.session}/diagnostics`);
    expect(diagnostics.publications[0].layers).toBeUndefined();
  });

  it('goes to where it is redirected, without its token at another origin, and is ended there', async () => {
    const first = await WhipServer.start();
    first.reply = ({ path }, response) => {
      response.writeHead(307, { Location: path === '/a' ? '/b' : `${whip.origin}/c` }).end();
      return true;
    };
    whip.location = () => `${whip.origin}/elsewhere`;
    const { json } = await publisher.publish({ url: `${first.origin}/a`, token: TOKEN });
    await publisher.untilStatus(json.publicationId, 'live');
    expect(first.requests.map(({ headers }) => headers.authorization)).toEqual([
      `Bearer ${TOKEN}`,
      `Bearer ${TOKEN}`,
    ]);
    await ask(`${publisher.session}/publications/${json.publicationId}`, { method: 'DELETE' });
    expect(whip.requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'POST /c',
      'DELETE /elsewhere',
    ]);
    expect(whip.requests.map(({ headers }) => headers.authorization)).toEqual([undefined, undefined]);
    await first.close();
  });

  it('ends with its session', async () => {
    const { json } = await publisher.publish({ url: `${whip.origin}/live` });
    await publisher.untilStatus(json.publicationId, 'live');
    const statuses: string[] = [];
    const [session] = publisher.router.sessions.list();
    session?.on('publication', ({ status }) => void statuses.push(status));
    await ask(publisher.session, { method: 'DELETE' });
    expect(statuses).toEqual(['ended']);
  });

  it('is tried again when the endpoint is busy, and not when it refuses', async () => {
    whip.reply = ({ path }, response) => {
      const posts = whip.of('POST').filter((request) => request.path === path);
      if (path === '/busy' && posts.length > 1) return false;
      response.writeHead(path === '/busy' ? 503 : 401, { 'Content-Type': 'text/html' }).end('<p>no');
      return true;
    };
    const [busy, refused] = await Promise.all(
      ['busy', 'refused'].map(
        async (path) => (await publisher.publish({ url: `${whip.origin}/${path}` })).json,
      ),
    );
    expect(await publisher.untilStatus(refused.publicationId, 'failed')).toMatchObject({
      attempts: 1,
      error: { code: 'publication_failed', message: 'The endpoint answers 401' },
    });
    const live = await publisher.untilStatus(busy.publicationId, 'live');
    expect(live.attempts).toBeGreaterThanOrEqual(2);
    expect(live.error).toBeUndefined();
    // Of each at least one; a connection that is not made in time is a failure more.
    const metrics = await publisher.router.metrics();
    const counted = /^stream_kit_publication_failures_total\{code="publication_failed"\} (\d+)$/m.exec(
      metrics,
    );
    expect(Number(counted?.[1])).toBeGreaterThanOrEqual(2);
  });
});

it('refuses what its options do not permit, and says so', async () => {
  const whip = await WhipServer.start();
  const publisher = await Publisher.open(createWeriftMediaPlane(tools), { maxPerSession: 1 });
  const refused = await publisher.publish({ url: `${whip.origin}/live`, token: TOKEN });
  expect(refused).toMatchObject({ status: 400, json: { error: { code: 'bad_target_url' } } });
  // A name is looked up in the background; `localhost` is known to be what it is.
  expect((await publisher.publish({ url: 'http://localhost:1/live' })).json.error.code).toBe(
    'bad_target_url',
  );
  for (const url of ['rtmp://0x7f000001/live/key', 'rtmps://localhost/live/key', 'srt://10.0.0.1:9000']) {
    expect((await publisher.publish({ url })).json.error.code).toBe('bad_target_url');
  }
  const first = await publisher.publish({ url: 'http://whip.invalid/live' });
  expect(first.status).toBe(201);
  const second = await publisher.publish({ url: 'http://whip.invalid/live' });
  expect(second).toMatchObject({ status: 429, json: { error: { code: 'at_capacity' } } });
  for (const body of [
    {},
    { url: 'ftp://a.example/' },
    { url: 'http://u:p@a.example/' },
    { url: 'http://a.example/', token: 'a\nb' },
    { url: 'http://a.example/', key: 1 },
    { url: 'http://a.example/', simulcast: 'yes' },
    { url: 'rtmp://a.example/live/key', token: 'a' },
    { url: 'rtmp://a.example/live/key', maxHeight: 360 },
    { url: 'srt://a.example/' },
  ]) {
    expect((await publisher.publish(body)).json.error.code).toBe('bad_request');
  }
  const { status, json } = await ask(`${publisher.session}/publications/nothing`, { method: 'DELETE' });
  expect([status, json.error.code]).toEqual([404, 'no_such_publication']);
  expect(whip.requests).toEqual([]);
  await publisher.close();
  await whip.close();
});
