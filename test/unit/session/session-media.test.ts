import { describe, expect, it } from 'vitest';

import { StreamKitError } from '../../../src/base/errors.js';
import { until } from '../../helpers/patience.js';
import { anybody, testSettings } from '../../helpers/session-fakes.js';
import { codeOf, launchingSession, liveSession } from '../../helpers/session-harness.js';
import { settle } from '../../helpers/virtual-clock.js';

const stats = {
  codec: 'h264',
  rung: 0,
  encoder: 'libx264',
  candidate: 0,
  width: 1280,
  height: 720,
  frameRate: 29.97,
  bitrateBps: 3_999_600,
  framesRead: 0,
  framesDropped: 0,
} as const;

describe('encoding', () => {
  it('starts with the first viewer of a codec and is shared by the next', async () => {
    const harness = await liveSession();
    harness.watch();
    expect(harness.parts.events).toEqual([]);
    harness.peer().connect();
    expect(harness.parts.events).toEqual(['video start h264 4000000', 'audio start']);
    harness.watch();
    harness.peer(1).connect();
    harness.watch({ videoCodec: 'vp8' });
    harness.peer(2).connect();
    expect(harness.parts.events.slice(2)).toEqual(['video start vp8 4000000']);
    expect(harness.parts.producers.map((producer) => producer.consumerCount)).toEqual([3, 2, 1]);
  });

  it('stops a grace time after the last viewer of a codec', async () => {
    const harness = await liveSession();
    const { viewer } = harness.watch({ videoCodec: 'h264' });
    harness.watch({ videoCodec: 'vp8' });
    harness.peer(0).connect();
    harness.peer(1).connect();
    harness.parts.videoListener?.onStats(stats);
    harness.parts.events.length = 0;
    await viewer.close('test');
    await harness.clock.advance(testSettings.pauseGraceMs - 1);
    expect(harness.parts.events).toEqual(['peer closed']);
    await harness.clock.advance(1);
    expect(harness.parts.events).toEqual(['peer closed', 'video stop h264']);
  });

  it('stops with the capture when no peer is connected, and both go on with the next', async () => {
    const harness = await liveSession();
    const { viewer } = harness.watch();
    harness.peer().connect();
    harness.parts.videoListener?.onStats(stats);
    harness.parts.events.length = 0;
    await viewer.close('test');
    await harness.clock.advance(testSettings.pauseGraceMs);
    expect(harness.parts.events.toSorted()).toEqual([
      'audio stop',
      'capture pause',
      'peer closed',
      'video stop h264',
    ]);
    expect(harness.session.state.metadata.video).toMatchObject({
      encoder: 'libx264',
      frameRate: 0,
      bitrateBps: 0,
    });
    harness.parts.events.length = 0;
    harness.watch();
    harness.peer(1).connect();
    await settle();
    expect(harness.parts.events.toSorted()).toEqual([
      'audio start',
      'capture resume',
      'video start h264 4000000',
    ]);
  });

  it('goes on when the next viewer comes within the grace time', async () => {
    const harness = await liveSession();
    const { viewer } = harness.watch();
    harness.peer().connect();
    await viewer.close('test');
    await harness.clock.advance(testSettings.pauseGraceMs - 1);
    harness.watch();
    harness.peer(1).connect();
    harness.parts.events.length = 0;
    await harness.clock.advance(testSettings.pauseGraceMs * 2);
    expect(harness.parts.events).toEqual([]);
  });

  it('counts pictures on when the page was started again', async () => {
    const harness = await liveSession();
    harness.watch();
    harness.peer().connect();
    const captured = (): unknown => harness.session.diagnostics.encodings[0]?.frames;
    harness.parts.videoListener?.onStats({ ...stats, framesRead: 50, framesDropped: 2 });
    harness.parts.videoListener?.onStats({ ...stats, framesRead: 70, framesDropped: 3 });
    const { videoListener } = harness.parts;
    harness.session.restart();
    await until(() => expect(harness.parts.launches).toHaveLength(2));
    harness.parts.launches[1]?.succeed();
    await until(() => expect(harness.parts.videoListener).not.toBe(videoListener));
    harness.parts.videoListener?.onStats({ ...stats, framesRead: 90, framesDropped: 1 });
    expect(captured()).toMatchObject({ captured: 160, dropped: 4 });
  });

  it('pauses a capture that nobody ever watched', async () => {
    const harness = await liveSession();
    await harness.clock.advance(testSettings.pauseGraceMs);
    expect(harness.parts.events).toEqual(['capture pause']);
  });

  it('tells a new bit rate to every video producer, of codecs that are not encoded now too', async () => {
    const harness = await liveSession();
    const { viewer } = harness.watch({ videoCodec: 'vp8' });
    harness.peer(0).connect();
    await viewer.close('test');
    await harness.clock.advance(testSettings.pauseGraceMs);
    harness.watch({ videoCodec: 'h264' });
    harness.peer(1).connect();
    harness.parts.events.length = 0;
    // The rate goes by the size here.
    await harness.session.reconfigure({ resolution: '640x360' });
    expect(harness.parts.events).toContain('video target h264 1414214');
    expect(harness.parts.events).not.toContain('video target vp8 1414214');
    const told = harness.parts.producers.map(({ kind, bitratesBps }) => [kind, ...bitratesBps]);
    expect(told.filter(([kind]) => kind === 'video')).toEqual([
      ['video', 1_414_214],
      ['video', 1_414_214],
    ]);
    expect(told).toContainEqual(['audio']);
  });

  it('is encoded at what the link of its only viewer carries: less at once, more after a while', async () => {
    const harness = await liveSession();
    const { transport, events } = harness.parts;
    const { viewer } = harness.watch();
    harness.peer().connect();
    const estimate = (bitrateBps: number): string[] => {
      events.length = 0;
      transport.estimatedBitrateBps = bitrateBps;
      transport.onEstimate?.(bitrateBps);
      return [...events];
    };
    expect(estimate(20_000_000)).toEqual([]);
    expect(estimate(2_000_000)).toEqual(['video target h264 1414213']);
    expect(estimate(20_000_000)).toEqual([]);
    await harness.clock.advance(5000);
    expect(events).toEqual(['video target h264 4000000']);
    await viewer.close('test');
    expect(transport.onEstimate).toBeUndefined();
  });

  it('passes keyframe requests on while the codec is encoded', async () => {
    const harness = await liveSession();
    const { viewer } = harness.watch();
    harness.peer().connect();
    const video = harness.parts.producers.find((producer) => producer.kind === 'video');
    video?.listener.onKeyframeWanted();
    expect(harness.parts.events).toContain('keyframe h264');
    await viewer.close('test');
    await harness.clock.advance(testSettings.pauseGraceMs);
    harness.parts.events.length = 0;
    video?.listener.onKeyframeWanted();
    expect(harness.parts.events).toEqual([]);
  });

  it('feeds each producer with the frames of its codec', async () => {
    const harness = await liveSession();
    harness.watch();
    harness.peer().connect();
    const frame = {
      bytes: new Uint8Array(3),
      keyframe: true,
      rtpTimestamp: 1,
      captureTimeUs: 2,
      readTimeUs: 3,
      encodedTimeUs: 4,
      repeated: false,
      rung: 0 as const,
    };
    harness.parts.videoListener?.onEncodedFrame({ ...frame, codec: 'h264' });
    harness.parts.videoListener?.onEncodedFrame({ ...frame, codec: 'vp8' });
    harness.parts.audioListener?.onEncodedAudio({ ...frame, codec: 'opus' });
    expect(harness.parts.producers.map((producer) => [producer.kind, producer.sent.length])).toEqual([
      ['audio', 1],
      ['video', 1],
    ]);
  });

  it('describes the first codec that is encoded, coarsely', async () => {
    const harness = await liveSession();
    expect(harness.session.state.metadata.video).toMatchObject({
      codec: 'h264',
      encoder: null,
      frameRate: 0,
    });
    harness.watch({ videoCodec: 'vp8' });
    harness.watch({ videoCodec: 'h264' });
    harness.peer(0).connect();
    harness.peer(1).connect();
    harness.parts.videoListener?.onStats({ ...stats, codec: 'vp8', encoder: 'libvpx' });
    harness.parts.videoListener?.onStats(stats);
    expect(harness.session.state.metadata.video).toEqual({
      codec: 'vp8',
      encoder: 'libvpx',
      width: 1280,
      height: 720,
      frameRate: 30,
      bitrateBps: 4_000_000,
      rungs: [{ width: 1280, height: 720, frameRate: 30, bitrateBps: 4_000_000, viewers: 1 }],
    });
  });

  it('goes without sound where the capture has none', async () => {
    const harness = await liveSession({}, (parts) => (parts.hasAudio = false));
    harness.watch();
    harness.peer().connect();
    expect(harness.parts.events).toEqual(['video start h264 4000000']);
  });

  it('offers no sound where none was asked for', async () => {
    const harness = await liveSession({ audio: false });
    harness.watch();
    expect(harness.peer().parameters.audio).toBe(false);
  });

  it('starts when the page is captured, for a viewer that is connected by then', async () => {
    const harness = launchingSession();
    harness.watch();
    harness.peer().connect();
    expect(harness.parts.events).toEqual([]);
    expect(harness.session.state.status).toBe('initializing');
    harness.launch.succeed();
    await settle();
    expect(harness.parts.events).toContain('video start h264 4000000');
    expect(harness.session.state.status).toBe('streaming');
  });

  it('is not begun for a viewer whose peer failed before the page was captured', async () => {
    const harness = launchingSession();
    harness.watch();
    harness.peer().connect();
    harness.peer().listener.onFailed(new StreamKitError('unavailable', 'ICE failed'));
    harness.launch.succeed();
    await settle();
    expect(harness.parts.events).not.toContain('video start h264 4000000');
  });
});

describe('codecs', () => {
  it('are offered both, or the one that was asked for', async () => {
    const harness = await liveSession();
    harness.watch();
    harness.watch({ videoCodec: 'vp8' });
    expect(harness.parts.peers.map((one) => one.parameters.videoCodecs)).toEqual([['h264', 'vp8'], ['vp8']]);
  });

  it('are fixed by the request of the session', async () => {
    const harness = await liveSession({ videoCodec: 'vp8' });
    harness.watch({ videoCodec: 'vp8' });
    expect(harness.peer().parameters.videoCodecs).toEqual(['vp8']);
    expect(
      await codeOf(() =>
        harness.session.admit({ caller: anybody, viewerId: undefined, videoCodec: 'h264', media: true }),
      ),
    ).toBe('conflict');
  });
});
