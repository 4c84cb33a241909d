import { beforeEach, describe, expect, it } from 'vitest';

import type { EncodedFrame } from '../../../src/render/encode/encoded-frame.js';
import { createRemoteControl, type RemoteControl } from '../../../src/input/remote-control.js';
import { silentLogger } from '../../../src/base/logger.js';
import type { PacketSink } from '../../../src/recording/packet-source.js';
import type { Caller } from '../../../src/session/caller.js';
import { initialState } from '../../../src/session/initial-state.js';
import type { StreamSessionState } from '../../../src/protocol/state-document.js';
import { openPageStreams } from '../../../src/session/page-streams.js';
import type { Viewer } from '../../../src/session/viewer.js';
import type { WebSocketLinks } from '../../../src/session/websocket-links.js';
import { FakeMessageSink } from '../../helpers/fake-message-sink.js';
import { seededRandom } from '../../helpers/seeded-random.js';
import { anybody, testRequest, testControl } from '../../helpers/session-fakes.js';
import { socketViewers } from '../../helpers/socket-viewers.js';
import { settle, VirtualClock } from '../../helpers/virtual-clock.js';

let clock: VirtualClock;
let clients: WebSocketLinks;
let document: StreamSessionState;
let taken: PacketSink | undefined;
let openings: (string | undefined)[];
let keyframesAsked: number;
let estimates: readonly (number | undefined)[];
let snapshot: () => Promise<Uint8Array>;
let closed: string[];
let control: RemoteControl;
let newViewer: (caller: Caller) => Viewer;
let running: 'h264' | 'vp8';

beforeEach(() => {
  clock = new VirtualClock();
  document = initialState('11111111-0000-4000-8000-000000000000', testRequest(), 1_700_000_000_000, 'werift');
  taken = undefined;
  openings = [];
  running = 'h264';
  keyframesAsked = 0;
  estimates = [];
  closed = [];
  control = createRemoteControl(
    { ...testControl, policy: 'none' },
    clock,
  )({
    streamId: document.streamId,
    resize: (_seat, size) => size,
    onController: () => undefined,
    onInput: () => undefined,
    logger: silentLogger,
  });
  newViewer = socketViewers(control, clock);
  snapshot = () => Promise.resolve(new Uint8Array([1, 2, 3]));
  clients = openPageStreams({
    clock,
    logger: silentLogger,
    graceMs: 15_000,
    chooseCodec: () => running,
    document: () => document,
    snapshot: () => snapshot(),
    openSource: (codec, sink) => {
      openings.push(codec);
      taken = sink;
      return {
        codec: 'h264',
        hasAudio: true,
        requestKeyframe: () => {
          keyframesAsked += 1;
        },
        refresh: () => undefined,
        setLinkEstimates: (bitratesBps) => {
          estimates = bitratesBps;
        },
        close: () => {
          taken = undefined;
        },
      };
    },
    onClosed: (viewer) => {
      closed.push(viewer.publicId);
      void viewer.close('gone');
    },
  });
});

function connect(): FakeMessageSink {
  const sink = new FakeMessageSink();
  clients.admit(sink, () => newViewer(anybody));
  return sink;
}

function resumed(lastSeq: number | null): FakeMessageSink {
  const sink = connect();
  sink.receive({ type: 'resume', lastSeq });
  return sink;
}

function picture(keyframe: boolean, bytes = 10): void {
  const frame: EncodedFrame = {
    codec: 'h264',
    bytes: Buffer.alloc(bytes, keyframe ? 1 : 2),
    keyframe,
    rtpTimestamp: 0,
    captureTimeUs: clock.nowUs(),
    readTimeUs: clock.nowUs(),
    rung: 0 as const,
    encodedTimeUs: 1,
    repeated: false,
  };
  taken?.onEncodedFrame(frame);
}

function pictures(count: number, bytes?: number): void {
  for (let i = 0; i < count; i++) picture(false, bytes);
}

function sound(): void {
  taken?.onEncodedAudio({ codec: 'opus', bytes: Buffer.from([7]), rtpTimestamp: 0, captureTimeUs: 5 });
}

describe('a WebSocket of a session', () => {
  it('begins with the session and its state, and says when they change', () => {
    const sink = connect();
    expect(sink.messages('session-meta')).toEqual([
      {
        type: 'session-meta',
        name: document.streamId,
        createdAt: new Date(1_700_000_000_000).toISOString(),
        kind: 'page',
        video: { codec: 'h264', width: 1280, height: 720 },
        audio: document.metadata.audio,
      },
    ]);
    expect(sink.messages('state')).toHaveLength(1);
    expect(sink.texts.map((text) => (JSON.parse(text) as { type: string }).type)).toEqual([
      'session-meta',
      'state',
      'role',
    ]);
    document.status = 'connecting';
    clients.onStateChange();
    expect(sink.messages('state').at(-1)).toMatchObject({ value: { status: 'connecting' } });
    expect(sink.messages('session-meta')).toHaveLength(1);
    if (document.metadata.video !== null) document.metadata.video.width = 640;
    clients.onStateChange();
    expect(sink.messages('session-meta').at(-1)).toMatchObject({ video: { width: 640 } });
    // A size may be told before the state is published.
    const states = sink.messages('state').length;
    if (document.metadata.video !== null) document.metadata.video.width = 320;
    clients.onMetaChange();
    clients.onMetaChange();
    expect(sink.messages('session-meta').map(({ video }) => (video as { width: number }).width)).toEqual([
      1280, 640, 320,
    ]);
    expect(sink.messages('state')).toHaveLength(states);
  });

  it('gets the media as one sequence once it has said where it begins', async () => {
    clients.goLive();
    const sink = resumed(null);
    picture(false);
    picture(true);
    await clock.advance(20);
    sound();
    picture(false);
    expect(sink.chunks.map(({ seq, kind, timeUs }) => [seq, kind, timeUs])).toEqual([
      [1, 'keyframe', 1_000_000],
      [2, 'audio', 5],
      [3, 'delta', 1_020_000],
    ]);
    expect(sink.chunks[0]?.payload).toEqual(Buffer.alloc(10, 1));
  });

  it('gets nothing before it has said so, and the newest keyframe where it says nothing for a second', async () => {
    clients.goLive();
    resumed(null);
    picture(true);
    const silent = connect();
    picture(false);
    await clock.advance(999);
    expect(silent.chunks).toEqual([]);
    await clock.advance(1);
    expect(silent.sequences).toEqual([1, 2]);
  });

  it('waits for the page, and takes the first resume alone', () => {
    const sink = resumed(null);
    sink.receive({ type: 'resume', lastSeq: 99 });
    expect(openings).toEqual([]);
    clients.goLive();
    picture(true);
    expect(sink.sequences).toEqual([1]);
  });

  it('goes on after the chunk that a client has seen, and begins at a keyframe where that is gone', async () => {
    clients.goLive();
    const first = resumed(null);
    picture(true);
    pictures(5);
    first.lose();
    pictures(3);
    expect(resumed(4).sequences).toEqual([5, 6, 7, 8, 9]);
    expect(resumed(0).sequences).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(resumed(9).sequences).toEqual([]);
    // Never given: of another session, or before a restart.
    expect(resumed(10).sequences).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    // 9 MiB later the oldest are gone.
    pictures(9, 1024 * 1024);
    await clock.advance(2000);
    const asked = keyframesAsked;
    const late = resumed(4);
    expect(late.sequences).toEqual([]);
    expect(keyframesAsked).toBe(asked + 1);
    pictures(1);
    expect(late.sequences).toEqual([]);
    picture(true);
    expect(late.chunks.map(({ kind }) => kind)).toEqual(['keyframe']);
  });

  it('names the codec that the readers get, and keeps to it', () => {
    running = 'vp8';
    clients.goLive();
    const sink = connect();
    expect(sink.messages('session-meta')[0]).toMatchObject({ video: { codec: 'vp8' } });
    running = 'h264';
    sink.receive({ type: 'resume', lastSeq: null });
    expect(openings).toEqual(['vp8']);
    expect(connect().messages('session-meta')[0]).toMatchObject({ video: { codec: 'vp8' } });
  });

  it('goes on while clients are away for a moment, and rests when nobody comes back', async () => {
    clients.goLive();
    const sink = resumed(null);
    picture(true);
    sink.lose();
    await clock.advance(14_999);
    pictures(2);
    const back = resumed(1);
    expect(back.sequences).toEqual([2, 3]);
    back.lose();
    await clock.advance(15_000);
    expect(taken).toBeUndefined();
    expect(clock.pendingTimers).toBe(0);
    const later = resumed(3);
    expect(openings).toEqual(['h264', 'h264']);
    // Between is missing what a decoder would need.
    picture(false);
    picture(true);
    expect(later.chunks.map(({ seq, kind }) => [seq, kind])).toEqual([[4, 'keyframe']]);
  });

  it('loses and repeats nothing over 200 random cuts', () => {
    clients.goLive();
    const random = seededRandom(11);
    const seen: number[] = [];
    let sink = resumed(null);
    for (let cut = 0; cut < 200; cut++) {
      picture(cut === 0);
      pictures(Math.floor(random() * 5));
      // Some of what was sent never arrives.
      const arrived = sink.sequences.slice(0, Math.ceil(random() * sink.sequences.length));
      seen.push(...arrived);
      sink.lose();
      pictures(Math.floor(random() * 3));
      sink = resumed(seen.at(-1) ?? null);
    }
    seen.push(...sink.sequences);
    expect(seen).toEqual(seen.map((_, index) => index + 1));
    expect(seen.length).toBeGreaterThan(400);
  });
});

describe('a slow client', () => {
  const MIB = 1024 * 1024;

  it('is sent no more than the connection takes, and all of it in the end', () => {
    clients.goLive();
    const slow = resumed(null);
    const fast = resumed(null);
    picture(true);
    slow.takes = false;
    pictures(30, MIB / 10);
    expect(slow.backlogBytes).toBeLessThan(1.2 * MIB);
    expect(slow.chunks.length).toBeLessThan(fast.chunks.length);
    for (let i = 0; i < 20; i++) slow.drain();
    expect(slow.sequences).toEqual(fast.sequences);
  });

  it('is never sent what has waited for more than half a second, and its estimate follows what it takes', async () => {
    clients.goLive();
    const slow = resumed(null);
    picture(true);
    slow.takes = false;
    // 300 kB/s are made, of which the connection takes 100 kB/s.
    let read = slow.frames.length;
    let readMs = clock.nowUs() / 1000;
    const agesMs: number[] = [];
    for (let tick = 0; tick < 1000; tick++) {
      const before = slow.frames.length;
      if (tick % 3 === 0) picture(keyframesAsked > 0 && tick % 30 === 0, 10_000);
      const nowMs = clock.nowUs() / 1000;
      if (read === before) readMs = nowMs;
      for (let next = slow.frames[read]; next !== undefined; next = slow.frames[read]) {
        if (readMs + next.byteLength / 100 > nowMs) break;
        readMs += next.byteLength / 100;
        read += 1;
      }
      slow.pong(read);
      for (const { timeUs } of slow.chunks.slice(before)) agesMs.push((clock.nowUs() - timeUs) / 1000);
      await clock.advance(10);
    }
    expect(Math.max(...agesMs)).toBeLessThanOrEqual(500);
    expect(slow.chunks.filter(({ kind }) => kind === 'keyframe').length).toBeGreaterThan(2);
    expect(estimates).toHaveLength(1);
    expect(estimates[0]).toBeGreaterThan(400_000);
    expect(estimates[0]).toBeLessThan(1_600_000);
  });

  it('misses what is too much, up to a keyframe that comes when it reads again', async () => {
    clients.goLive();
    const slow = resumed(null);
    const fast = resumed(null);
    picture(true);
    slow.takes = false;
    pictures(50, MIB / 10);
    const received = slow.chunks.length;
    picture(true);
    expect(slow.chunks).toHaveLength(received);
    slow.takes = true;
    await clock.advance(1000);
    const asked = keyframesAsked;
    slow.drain();
    expect(keyframesAsked).toBe(asked + 1);
    picture(false);
    expect(slow.chunks).toHaveLength(received);
    picture(true);
    picture(false);
    expect(slow.chunks.slice(received).map(({ kind }) => kind)).toEqual(['keyframe', 'delta']);
    expect(fast.sequences).toEqual(fast.sequences.map((_, index) => index + 1));
  });

  it('gets the newest state alone when it reads again', () => {
    const slow = connect();
    slow.takes = false;
    slow.backlogBytes = 2 * MIB;
    for (let i = 0; i < 100; i++) {
      document.metadata.page = { i };
      clients.onStateChange();
    }
    expect(slow.messages('state')).toHaveLength(1);
    slow.drain();
    expect(slow.messages('state')).toHaveLength(2);
    expect(slow.messages('state').at(-1)).toMatchObject({ value: { metadata: { page: { i: 99 } } } });
  });

  it('is cut off when it sends and reads nothing', async () => {
    const sink = connect();
    sink.takes = false;
    for (let i = 0; i < 100_000 && !sink.aborted; i++) {
      // No faster than it may.
      if (i % 4000 === 0) await clock.advance(1000);
      sink.receive('{');
    }
    expect(sink.aborted).toBe(true);
    expect(clients.isWatched).toBe(false);
  });
});

describe('a message of a client', () => {
  it.each([
    ['{', 'bad_message'],
    ['null', 'bad_message'],
    ['[]', 'bad_message'],
    ['{"type":1}', 'bad_message'],
    ['{"type":"constructor"}', 'bad_message'],
    ['{"type":"resume","lastSeq":-1}', 'bad_input'],
    ['{"type":"resume","lastSeq":"1"}', 'bad_input'],
    ['{"type":"resume","lastSeq":1.5}', 'bad_input'],
    ['{"type":"keys","data":"ls"}', 'forbidden'],
  ])('%s is answered with %s, and changes nothing', (text, code) => {
    clients.goLive();
    const sink = connect();
    sink.receive(text);
    expect(sink.messages('error')).toEqual([{ type: 'error', code, message: expect.any(String) as string }]);
    picture(true);
    expect(sink.chunks).toEqual([]);
    sink.receive({ type: 'resume', lastSeq: null });
    picture(true);
    expect(sink.chunks).toHaveLength(1);
  });

  it('that is binary is refused', () => {
    const sink = connect();
    sink.receiveBinary();
    expect(sink.messages('error')).toHaveLength(1);
  });

  it('can ask for a snapshot, one at a time', async () => {
    clients.goLive();
    const sink = resumed(null);
    picture(true);
    sink.receive({ type: 'snapshot-request' });
    sink.receive({ type: 'snapshot-request' });
    await settle();
    expect(sink.messages('snapshot')).toEqual([{ type: 'snapshot', seq: 1, data: 'AQID' }]);
    expect(sink.messages('error')).toMatchObject([{ code: 'snapshot_failed' }]);
    snapshot = () => Promise.reject(new Error('/secret/path'));
    sink.receive({ type: 'snapshot-request' });
    await settle();
    expect(sink.messages('error').at(-1)).toMatchObject({ code: 'snapshot_failed' });
    expect(sink.texts.join()).not.toContain('secret');
  });
});

describe('the end', () => {
  it.each([
    ['deleted', 1000],
    ['shutdown', 1001],
    ['error', 1011],
  ] as const)('%s closes every WebSocket with code %i', (reason, code) => {
    clients.goLive();
    const sink = resumed(null);
    const silent = connect();
    clients.close(reason);
    expect(sink.closed).toEqual({ code, reason });
    expect(silent.closed).toEqual({ code, reason });
    expect(clients.isWatched).toBe(false);
    expect(taken).toBeUndefined();
    expect(connect().closed).toEqual({ code: 1000, reason });
    expect(clock.pendingTimers).toBe(0);
  });

  it('of a viewer is told to the session, once', () => {
    const sink = connect();
    connect();
    expect(closed).toEqual([]);
    sink.lose();
    sink.lose();
    expect(closed).toEqual(['1']);
    expect(clients.isWatched).toBe(true);
  });
});
