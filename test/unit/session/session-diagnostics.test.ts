import { expect, it } from 'vitest';

import { newConsumerStats } from '../../../src/fanout/consumer-stats.js';
import { consumerDiagnostics } from '../../../src/session/session-diagnostics.js';
import { anybody } from '../../helpers/session-fakes.js';
import { SessionHarness } from '../../helpers/session-harness.js';
import { settle } from '../../helpers/virtual-clock.js';

it('tells of encodings and viewers by number, and no secret', async () => {
  const harness = new SessionHarness();
  harness.session.launch();
  const first = harness.watch();
  harness.watch({ media: false });
  expect(harness.session.diagnostics).toMatchObject({
    status: 'initializing',
    encodings: [],
    viewers: [
      { publicId: '1', attached: true, media: 'negotiating', ice: { state: 'new', pair: null }, video: null },
      { publicId: '2', attached: true, media: 'none', ice: null },
    ],
  });

  harness.launch.succeed();
  await settle();
  harness.peer().path = { state: 'connected', pair: { local: 'host', remote: 'prflx', protocol: 'udp' } };
  harness.peer().connect();
  const { videoListener } = harness.parts;
  const nowUs = harness.clock.nowUs();
  videoListener?.onEncodedFrame({
    ...{
      codec: 'h264',
      bytes: new Uint8Array(10),
      keyframe: true,
      rtpTimestamp: 0,
      rung: 0 as const,
      repeated: false,
    },
    ...{ captureTimeUs: nowUs - 40_000, readTimeUs: nowUs - 20_000, encodedTimeUs: nowUs },
  });
  videoListener?.onStats({
    ...{
      codec: 'h264',
      rung: 0,
      encoder: 'libx264',
      candidate: 1,
      encoderReason: 'h264_nvenc is not used',
      width: 640,
      height: 360,
      frameRate: 30,
      bitrateBps: 1_000_000,
    },
    ...{ framesRead: 7, framesDropped: 2 },
  });
  const told = harness.session.diagnostics;
  expect(told.encodings).toEqual([
    {
      ...{
        codec: 'h264',
        rung: 0,
        encoder: 'libx264',
        encoderReason: 'h264_nvenc is not used',
        width: 640,
        height: 360,
        frameRate: 30,
        bitrateBps: 1_000_000,
      },
      targetFrameRate: 30,
      targetBitrateBps: expect.any(Number),
      // 20 of the 33 ms between two pictures.
      load: 0.6,
      frames: { captured: 7, encoded: 1, dropped: 2 },
      latency: {
        capture: { meanMs: 20, maxMs: 20 },
        encode: { meanMs: 20, maxMs: 20 },
        send: { meanMs: 0, maxMs: 0 },
      },
    },
  ]);
  expect(told.viewers[0]).toMatchObject({
    media: 'connected',
    videoCodec: 'h264',
    ice: { pair: { remote: 'prflx' } },
    video: { packetsSent: 0, rttMs: null },
    audio: { packetsSent: 0 },
  });
  expect(JSON.stringify(told)).not.toContain(first.id);
  await harness.session.close('deleted');
});

it('tells of players as of viewers', async () => {
  const harness = new SessionHarness();
  harness.session.launch();
  harness.launch.succeed();
  await settle();
  await harness.session.admitPlayer(anybody, 'an offer', []);
  expect(harness.session.diagnostics.viewers).toMatchObject([
    { publicId: '1', attached: true, media: 'negotiating', ice: { pair: null }, video: null },
  ]);
  await harness.session.close('deleted');
});

it('tells what share of what a viewer is sent repairs its losses', () => {
  const sent = { ...newConsumerStats(), bytesSent: 40_000, packetsRetransmitted: 3, repairPacketsSent: 4 };
  expect(consumerDiagnostics({ ...sent, repairBytesSent: 8000 })).toMatchObject({
    ...{
      packetsRetransmitted: 3,
      repairPacketsSent: 4,
      repairBytesSent: 8000,
      repairShare: 0.2,
      rttMs: null,
    },
  });
  expect(consumerDiagnostics(newConsumerStats()).repairShare).toBe(0);
});
