import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { systemClock } from '../../src/base/clock.js';
import type { OpenAnsweringPeer } from '../../src/peer/viewer-peer.js';
import { loadNativeAddon } from '../../src/fanout/load-native-addon.js';
import type { MediaPlane } from '../../src/fanout/media-plane.js';
import { NativeMediaPlane } from '../../src/fanout/native-media-plane.js';
import { createWeriftMediaPlane } from '../../src/fanout/werift-media-plane.js';
import type { VideoCodec } from '../../src/protocol/video-codecs.js';
import { silentLogger } from '../../src/base/logger.js';
import { resolveOptions } from '../../src/options/stream-kit-options.js';
import { createAnsweringPeerFactory } from '../../src/peer/answering-peer.js';
import { createViewerPeerFactory } from '../../src/peer/werift/werift-viewer-peer.js';
import type { StreamKitRouter } from '../../src/http/stream-kit-router.js';
import { composeRouter } from '../../src/router.js';
import { Contract } from '../helpers/contract.js';
import { ask, postJson } from '../helpers/router-server.js';
import { FakeParts } from '../helpers/session-fakes.js';
import { settle } from '../helpers/virtual-clock.js';
import { until } from './media-plane-contract.js';
import { joinAsPlayer, type PlainPlayer } from './plain-player.js';

const addon = loadNativeAddon();
const tools = { clock: systemClock, logger: silentLogger };
const planes: [name: string, create: (() => MediaPlane) | undefined][] = [
  ['werift', () => createWeriftMediaPlane(tools)],
  ['native', addon && (() => new NativeMediaPlane({ addon, udpPort: 0, ...tools }))],
];

// Pages and encoders are played; HTTP, ICE, DTLS, SRTP and UDP are real.
describe.each(planes)('a player over the %s plane', (_name, createPlane) => {
  let parts: FakeParts;
  let router: StreamKitRouter;
  let server: Server;
  let contract: Contract;
  let session: string;
  let players: PlainPlayer[];
  let frames: number;
  /** As each player that has connected takes its sound. */
  let redPayloadTypes: (number | undefined)[];

  beforeEach(async (context) => {
    if (createPlane === undefined) return context.skip();
    const mediaPlane = createPlane();
    const openViewerPeer = createViewerPeerFactory({
      mediaPlane,
      ...tools,
      holdsPictures: false,
      listenAddress: '127.0.0.1',
    });
    const openPeer = createAnsweringPeerFactory(openViewerPeer);
    redPayloadTypes = [];
    const openAnsweringPeer: OpenAnsweringPeer = (parameters, listener) =>
      openPeer(parameters, {
        ...listener,
        onConnected: (media) => {
          redPayloadTypes.push(media.audio?.redPayloadType);
          listener.onConnected(media);
        },
      });
    parts = Object.assign(new FakeParts(), { mediaPlane, openViewerPeer, openAnsweringPeer });
    router = composeRouter(resolveOptions({ videoCodecs: ['vp8', 'h264', 'vp9'] }), parts);
    server = createServer((request, response) => void router(request, response));
    contract = new Contract().watch(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const created = await postJson(`${origin}/`, { targetUrl: 'https://game.example.org/' });
    session = `${origin}/${created.json.streamId}`;
    parts.launches[0]?.succeed();
    await settle();
    players = [];
    frames = 0;
  });

  afterEach(async () => {
    if (createPlane === undefined) return;
    await Promise.all(players.map((player) => player.close()));
    await router.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    contract.assert();
  });

  async function join(...options: Parameters<typeof joinAsPlayer> extends [string, ...infer R] ? R : never) {
    const player = await joinAsPlayer(`${session}/whep`, ...options);
    players.push(player);
    return player;
  }

  /** One picture, and one packet of sound. */
  function send(codec: VideoCodec, text: string): void {
    const captureTimeUs = systemClock.nowUs();
    const media = { bytes: Buffer.from(text), rtpTimestamp: ++frames * 3000, captureTimeUs };
    parts.videoListener?.onEncodedFrame({
      ...media,
      codec,
      keyframe: true,
      readTimeUs: 0,
      rung: 0 as const,
      encodedTimeUs: 0,
      repeated: false,
    });
    parts.audioListener?.onEncodedAudio({ ...media, codec: 'opus' });
  }

  const received = (player: PlainPlayer, text: string, payloadType: number): boolean =>
    player.rtp.some(
      ({ header, payload }) => header.payloadType === payloadType && payload.toString() === text,
    );

  const opusOf = ({ answer }: PlainPlayer): number => Number(/a=rtpmap:(\d+) opus/.exec(answer)?.[1]);

  it.each([
    ['video/H264', 'h264'],
    ['video/VP8', 'vp8'],
    // What the option permits beside the usual ones, for a player that offers neither.
    ['video/VP9', 'vp9'],
  ] as const)('gets %s and sound in its own numbers', async (mimeType, codec) => {
    const player = await join({ mimeType });
    expect(player.response.status).toBe(201);
    await player.connected();
    // It offered, so it controls, and nobody had to give way.
    expect(player.client.iceTransports[0]?.role).toBe('controlling');
    await until(() => {
      send(codec, 'picture');
      expect(received(player, 'picture', 101)).toBe(true);
      expect(received(player, 'picture', opusOf(player))).toBe(true);
    });
    // RED, which it has not offered, it is not sent.
    expect(redPayloadTypes).toEqual([undefined]);
    const { json } = await ask(session);
    expect([json.metadata.viewers, json.status]).toEqual([1, 'streaming']);

    expect((await ask(player.resource, { method: 'DELETE' })).status).toBe(200);
    expect((await ask(session)).json.metadata.viewers).toBe(0);
    player.rtp.length = 0;
    send(codec, 'late');
    expect((await ask(player.resource)).status).toBe(404);
    expect(received(player, 'late', 101)).toBe(false);
  });

  it('may send no candidate at all, or send them later', async () => {
    const bare = (sdp: string): string => sdp.replace(/a=(candidate:|end-of-candidates).*\r\n/g, '');
    const silent = await join({ mimeType: 'video/VP8', editOffer: bare });
    await silent.connected();
    const trickling = await join({ mimeType: 'video/VP8', editOffer: bare });
    const { sdp = '' } = trickling.client.localDescription ?? {};
    const fragment = (sdp.match(/a=(?:ice-ufrag|ice-pwd|candidate|end-of-candidates).*\r\n/g) ?? []).join('');
    expect(fragment).toContain('a=candidate');
    const headers = { 'content-type': 'application/trickle-ice-sdpfrag' };
    expect((await ask(trickling.resource, { method: 'PATCH', headers, body: fragment })).status).toBe(204);
    await trickling.connected();
  });

  it('restarts ICE, and media goes on', async () => {
    const player = await join({ mimeType: 'video/VP8' });
    await player.connected();
    // A player knows that it is connected before the server does.
    await until(() => {
      send('vp8', 'before');
      expect(received(player, 'before', 101)).toBe(true);
    });
    const credentials = /a=ice-ufrag:(.*)\r\na=ice-pwd:(.*)\r\n/;
    const [, before] = credentials.exec(player.answer) ?? [];
    const offer = await player.client.createOffer({ iceRestart: true });
    await player.client.setLocalDescription(offer);
    const { sdp = '' } = player.client.localDescription ?? {};
    const fragment = (sdp.match(/a=(?:ice-ufrag|ice-pwd|candidate).*\r\n/g) ?? []).join('');
    const response = await fetch(player.resource, {
      method: 'PATCH',
      headers: { 'content-type': 'application/trickle-ice-sdpfrag', 'if-match': '*' },
      body: fragment,
    });
    const answer = await response.text();
    expect([response.status, response.headers.get('etag') !== player.response.headers.get('etag')]).toEqual([
      200,
      true,
    ]);
    const [, ufrag = '', pwd = ''] = credentials.exec(answer) ?? [];
    expect(ufrag).not.toBe(before);
    const candidates = (answer.match(/a=candidate.*\r\n/g) ?? []).join('');
    const renewed = player.answer
      .replace(/a=candidate.*\r\n/g, '')
      .replace(/a=ice-ufrag:.*/g, `a=ice-ufrag:${ufrag}`)
      .replace(/a=ice-pwd:.*/g, `a=ice-pwd:${pwd}`)
      .replace('a=end-of-candidates\r\n', `${candidates}a=end-of-candidates\r\n`);
    await player.client.setRemoteDescription({ type: 'answer', sdp: renewed });
    await player.client.iceTransports[0]?.start();
    player.rtp.length = 0;
    await until(() => {
      send('vp8', 'after');
      expect(received(player, 'after', 101)).toBe(true);
    });
  });

  it('is refused an ICE restart before it is connected, and stays', async () => {
    const player = await joinAsPlayer(`${session}/whep`, {
      mimeType: 'video/VP8',
      // Nobody will ever check from there.
      editOffer: (sdp) =>
        sdp.replace(/a=candidate.*\r\n/g, '').replace(/a=ice-ufrag:.*/g, 'a=ice-ufrag:other'),
    });
    players.push(player);
    const body = `a=ice-ufrag:next\r\na=ice-pwd:${'p'.repeat(22)}\r\n`;
    const headers = { 'content-type': 'application/trickle-ice-sdpfrag', 'if-match': '*' };
    const { status, json } = await ask(player.resource, { method: 'PATCH', headers, body });
    expect([status, json.error.code]).toEqual([409, 'conflict']);
    expect((await ask(player.resource)).status).toBe(204);
  });

  it.each(['video/H265', 'video/AV1'])('is refused with 422 where no codec fits: %s', async (mimeType) => {
    const player = await join({ mimeType });
    expect(player.response.status).toBe(422);
    expect(JSON.parse(player.answer).error.message).toBe(
      'The SDP offer has no video codec of this session: H.264 (packetization-mode 1) or VP8 or VP9 (profile-id=0)',
    );
    expect((await ask(session)).json.metadata.viewers).toBe(0);
  });
});
