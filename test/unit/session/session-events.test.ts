import { describe, expect, it } from 'vitest';

import type { VideoEncoderStats } from '../../../src/render/encode/encode-thread.js';
import type { EncodedFrame } from '../../../src/render/encode/encoded-frame.js';
import type { VideoStream } from '../../../src/protocol/video-stream.js';
import { StreamKitError } from '../../../src/base/errors.js';
import { silentLogger } from '../../../src/base/logger.js';
import type { SessionEventName } from '../../../src/session/session-events.js';
import { SessionMedia } from '../../../src/session/session-media.js';
import { anybody, FakeParts, testSettings } from '../../helpers/session-fakes.js';
import { liveSession, type SessionHarness } from '../../helpers/session-harness.js';
import { settle } from '../../helpers/virtual-clock.js';

const delta: EncodedFrame = {
  ...{ codec: 'h264', bytes: new Uint8Array(3), keyframe: false, rtpTimestamp: 1, rung: 0 as const },
  ...{ captureTimeUs: 2, readTimeUs: 3, encodedTimeUs: 4, repeated: false },
};
const keyframe: EncodedFrame = { ...delta, keyframe: true };

function told({ parts }: { parts: FakeParts }, ...names: SessionEventName[]): object[] {
  return parts.observed.flatMap(([name, event]) => (names.includes(name) ? [{ name, ...event }] : []));
}

const streamId = 'id';

describe('a viewer', () => {
  it('has its first picture when the first keyframe after it has connected is sent', async () => {
    const harness = await liveSession();
    harness.watch({ videoCodec: 'h264' });
    harness.peer().connect();
    const { videoListener } = harness.parts;
    videoListener?.onEncodedFrame(keyframe);
    harness.watch({ videoCodec: 'h264' });
    await harness.clock.advance(100);
    harness.peer(1).connect();
    videoListener?.onEncodedFrame(delta);
    await harness.clock.advance(50);
    videoListener?.onEncodedFrame({ ...keyframe, codec: 'vp8' });
    videoListener?.onEncodedFrame(keyframe);
    videoListener?.onEncodedFrame(keyframe);
    const of = { name: 'viewer:first-frame', streamId, codec: 'h264' };
    expect(told(harness, 'viewer:first-frame')).toEqual([
      { ...of, viewer: 1, firstFrameMs: 0 },
      { ...of, viewer: 2, firstFrameMs: 150 },
    ]);
  });

  it('that left before has none', async () => {
    const harness = await liveSession();
    const { viewer } = harness.watch();
    harness.peer().connect('h264');
    await viewer.close('test');
    harness.parts.videoListener?.onEncodedFrame(keyframe);
    expect(told(harness, 'viewer:first-frame')).toEqual([]);
  });

  it('that comes back under its id is the same one, and its second connection is counted from its own offer', async () => {
    const harness = await liveSession();
    const { id, sink } = harness.watch();
    await harness.clock.advance(30);
    harness.peer().listener.onFailed(new StreamKitError('unavailable', 'No path works'));
    sink.lose();
    await harness.clock.advance(1000);
    harness.watch({ viewerId: id });
    await harness.clock.advance(200);
    harness.peer(1).connect('h264');
    const of = { streamId, viewer: 1 };
    expect(told(harness, 'viewer:join', 'viewer:fail', 'viewer:connect', 'viewer:leave')).toEqual([
      { name: 'viewer:join', ...of },
      { name: 'viewer:fail', ...of, code: 'unavailable' },
      { name: 'viewer:connect', ...of, codec: 'h264', connectMs: 200 },
    ]);
  });

  it('leaves once: when it has been away too long, or with its session', async () => {
    const harness = await liveSession();
    const { sink } = harness.watch({ media: false });
    harness.watch({ media: false });
    sink.lose();
    await harness.clock.advance(testSettings.viewerReattachMs);
    await harness.session.close('shutdown');
    harness.watch({ media: false });
    expect(told(harness, 'viewer:join', 'viewer:leave')).toEqual([
      { name: 'viewer:join', streamId, viewer: 1 },
      { name: 'viewer:join', streamId, viewer: 2 },
      { name: 'viewer:leave', streamId, viewer: 1, reason: 'gone', ageMs: 15_000 },
      { name: 'viewer:leave', streamId, viewer: 2, reason: 'shutdown', ageMs: 15_000 },
    ]);
  });
});

describe('a player', () => {
  it('is a viewer like others, numbered with them', async () => {
    const harness = await liveSession();
    harness.watch({ media: false });
    const { player } = await harness.session.admitPlayer(anybody, 'an offer', []);
    await harness.session.admitPlayer(anybody, 'an offer', []);
    await harness.clock.advance(40);
    harness.peer().connect('h264');
    await harness.session.viewers.dismiss(player);
    harness.peer(1).listener.onLeft();
    await settle();
    await harness.session.close('deleted');
    expect(harness.peer().parameters.logContext).toEqual({ streamId, viewer: 2 });
    const [ageMs, reason] = [40, 'gone'];
    expect(told(harness, 'viewer:join', 'viewer:connect', 'viewer:leave')).toEqual([
      { name: 'viewer:join', streamId, viewer: 1 },
      { name: 'viewer:join', streamId, viewer: 2 },
      { name: 'viewer:join', streamId, viewer: 3 },
      { name: 'viewer:connect', streamId, viewer: 2, codec: 'h264', connectMs: 40 },
      { name: 'viewer:leave', streamId, viewer: 2, reason, ageMs },
      { name: 'viewer:leave', streamId, viewer: 3, reason, ageMs },
      { name: 'viewer:leave', streamId, viewer: 1, reason: 'deleted', ageMs },
    ]);
  });
});

describe('an encoder', () => {
  const stats: VideoEncoderStats = {
    ...{
      codec: 'h264',
      rung: 0,
      encoder: 'libx264',
      candidate: 0,
      width: 1280,
      height: 720,
      frameRate: 30,
      bitrateBps: 4e6,
    },
    ...{ framesRead: 1, framesDropped: 0 },
  };

  async function encoding(): Promise<SessionHarness> {
    const harness = await liveSession();
    harness.watch({ videoCodec: 'h264' });
    harness.peer().connect();
    harness.parts.videoListener?.onStats(stats);
    harness.parts.videoListener?.onStats(stats);
    return harness;
  }

  it('starts once its name is known and stops a grace time after its last viewer, whatever came late', async () => {
    const harness = await encoding();
    harness.peer().listener.onLeft();
    await harness.clock.advance(testSettings.pauseGraceMs);
    harness.parts.videoListener?.onStats(stats);
    const of = { streamId, codec: 'h264', encoder: 'libx264' };
    expect(told(harness, 'encoder:start', 'encoder:stop')).toEqual([
      { name: 'encoder:start', ...of },
      { name: 'encoder:stop', ...of },
    ]);
  });

  it('stops with its session', async () => {
    const harness = await encoding();
    await harness.session.close('deleted');
    expect(told(harness, 'encoder:stop')).toHaveLength(1);
  });
});

describe('a session that replays to newcomers', () => {
  it.each([
    ['native', 1],
    ['werift', 0],
  ])('over the %s plane tells of the first picture of a newcomer at once: %j', async (name, count) => {
    const parts = new FakeParts();
    Object.assign(parts.mediaPlane, { name });
    const size = { width: 64, height: 64, frameRate: 30, deviceScaleFactor: 1 };
    const listener = {
      onResponsive: () => undefined,
      onFault: () => undefined,
      onSound: () => undefined,
      onRestarting: () => undefined,
      onRestarted: () => undefined,
      onPageMetadata: () => undefined,
      onPageMessage: () => undefined,
      onCursor: () => undefined,
      onClipboard: () => undefined,
      onPageEvent: () => undefined,
      onEnded: () => undefined,
      onVideoStats: () => undefined,
      onEncoderReplaced: () => undefined,
      onEncodedFrame: (frame: EncodedFrame) => media.onEncodedFrame(frame),
      onEncodedAudio: () => undefined,
      onFrames: () => undefined,
      onKeyframe: (stream: VideoStream) => media.onKeyframe(stream),
    };
    const parameters = { ...size, targetUrl: 'https://a.example', audio: false, initialData: null };
    const opening = parts.openRender(parameters, listener, new AbortController().signal);
    parts.launches[0]?.succeed();
    const render = await opening;
    const media: SessionMedia = new SessionMedia(
      {
        ...{
          render,
          format: { width: 1280, height: 720, frameRate: 30 },
          bitrateBps: 1e6,
          pauseGraceMs: 5000,
          replayOnJoin: true,
          maxRungs: 1,
        },
        ...{ parts, streamId, logger: silentLogger },
      },
      { onVideoStats: () => undefined, onVideoIdle: () => undefined, onMediaError: () => undefined },
    );
    const video = { ssrc: 1, payloadType: 96, mid: '0', cname: 'c', headerExtensions: {} };
    const connected = { transport: parts.transport, videoCodec: 'h264', video, audio: null } as const;
    const first: string[] = [];
    media.attach(connected, undefined, () => first.push('first'));
    parts.videoListener?.onEncodedFrame(keyframe);
    expect(first).toEqual(['first']);
    const second: string[] = [];
    media.attach(connected, undefined, () => second.push('second'));
    expect(second).toHaveLength(count);
    parts.videoListener?.onEncodedFrame(keyframe);
    expect(second).toEqual(['second']);
    await media.close();
    await settle();
  });
});
