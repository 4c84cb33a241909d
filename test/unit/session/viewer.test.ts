import jsonPatch from 'fast-json-patch';
import type { Operation } from 'fast-json-patch';
import { describe, expect, it } from 'vitest';

import { StreamKitError } from '../../../src/base/errors.js';
import { MAX_BACKLOG_BYTES } from '../../../src/session/event-delivery.js';
import type { FakeSink } from '../../helpers/fake-event-sink.js';
import { anybody, testSettings } from '../../helpers/session-fakes.js';
import { codeOf, launchingSession, liveSession } from '../../helpers/session-harness.js';
import { settle } from '../../helpers/virtual-clock.js';

/** The document that a client has after these events. */
function documentOf(sink: FakeSink, start: unknown = {}): unknown {
  return sink.events
    .filter((event) => event.event === 'state_patch')
    .reduce((document, event) => {
      const operations = event.data as Operation[];
      return jsonPatch.applyPatch(document, operations, true, false, true).newDocument;
    }, start);
}

describe('event stream', () => {
  it('begins with who the viewer is, then the state, then the offer', async () => {
    const harness = await liveSession();
    const { sink, id } = harness.watch();
    expect(sink.events.map((event) => event.data.type ?? event.event)).toEqual([
      'viewer',
      'state_patch',
      'sdp_offer',
    ]);
    expect(sink.signals('viewer')).toEqual([
      { viewerId: id, role: 'controller', iceServers: [], publicId: '1' },
    ]);
    expect(sink.signals('sdp_offer')).toEqual(['offer 0']);
    expect(sink.events.map((event) => typeof event.id)).toEqual(['undefined', 'number', 'undefined']);
  });

  it('makes its offer while the page is being loaded', async () => {
    const harness = launchingSession();
    const { sink } = harness.watch();
    expect(sink.signals('sdp_offer')).toEqual(['offer 0']);
    harness.launch.succeed();
    await settle();
    expect(sink.signals('sdp_offer')).toEqual(['offer 0']);
  });

  it('carries the state alone where no media was asked for', async () => {
    const harness = await liveSession();
    const { sink, id } = harness.watch({ media: false });
    expect(harness.parts.peers).toEqual([]);
    expect(sink.signals('sdp_offer')).toEqual([]);
    expect(await codeOf(() => harness.session.acceptSignal(anybody, id, 'ice_restart', undefined))).toBe(
      'conflict',
    );
  });

  it('leads every viewer to the document of the server, by the same events', async () => {
    const harness = await liveSession();
    const first = harness.watch();
    await harness.clock.advance(100);
    const second = harness.watch();
    for (let level = 0; level < 5; level++) {
      harness.launch.listener.onPageMetadata({ level, list: Array(level).fill(level) }, 0);
      await harness.clock.advance(100);
    }
    const document = JSON.parse(JSON.stringify(harness.session.state)) as unknown;
    expect(documentOf(first.sink)).toEqual(document);
    expect(documentOf(second.sink)).toEqual(document);
    expect(first.sink.events.slice(-5)).toEqual(second.sink.events.slice(-5));
  });

  it('has at most one patch an interval, numbered without a gap', async () => {
    const harness = await liveSession();
    const { sink } = harness.watch({ media: false });
    await harness.clock.advance(100);
    const before = sink.events.length;
    for (let level = 0; level < 50; level++) {
      harness.launch.listener.onPageMetadata({ level }, 0);
      await harness.clock.advance(10);
    }
    // The first at once, and the others each an interval after the last.
    expect(sink.events.length - before).toBe(6);
    const ids = sink.events.flatMap((event) => event.id ?? []);
    expect(ids).toEqual(ids.map((_, index) => (ids[0] ?? 0) + index));
  });

  it('says from which picture on the page looks as the patch tells', async () => {
    const harness = await liveSession();
    const { sink } = harness.watch({ media: false });
    await harness.clock.advance(200);
    // More than 2^32 / 90 kHz, where timestamps begin anew.
    harness.launch.listener.onPageMetadata({ level: 1 }, 50_000_000_000);
    harness.launch.listener.onSound(false);
    await harness.clock.advance(1);
    expect(sink.events.at(-1)?.time).toBe((50_000 * 90_000) % 2 ** 32);
  });

  it('resumes after the last event that the client has seen', async () => {
    const harness = await liveSession();
    const { sink, id } = harness.watch();
    await harness.clock.advance(100);
    const seen = sink.events.findLast((event) => event.id !== undefined)?.id ?? 0;
    const document = documentOf(sink);
    sink.lose();
    for (let level = 0; level < 3; level++) {
      harness.launch.listener.onPageMetadata({ level }, 0);
      await harness.clock.advance(100);
    }
    const back = harness.watch({ viewerId: id, lastEventId: seen });
    const ids = back.sink.events.flatMap((event) => event.id ?? []);
    expect(ids).toEqual([seen + 1, seen + 2, seen + 3]);
    await harness.clock.advance(100);
    expect(documentOf(back.sink, document)).toEqual(JSON.parse(JSON.stringify(harness.session.state)));
  });

  it('starts anew where the missed patches are gone', async () => {
    const harness = await liveSession();
    const { sink } = harness.watch({ lastEventId: 999 });
    expect(sink.events[1]?.data).toMatchObject([{ op: 'replace', path: '' }]);
  });
});

describe('role', () => {
  it('is what the caller is permitted at most', async () => {
    const harness = await liveSession();
    for (const role of ['viewer', 'controller'] as const) {
      const { viewer, sink } = harness.watch({ caller: { ...anybody, role } });
      expect(viewer.viewer.permittedRole).toBe(role);
      expect(sink.signals('viewer')).toMatchObject([{ role }]);
    }
  });
});

describe('re-attaching', () => {
  it('within the time keeps the peer and makes no new offer', async () => {
    const harness = await liveSession();
    const { sink, id } = harness.watch();
    await harness.session.acceptSignal(anybody, id, 'sdp_answer', 'answer');
    harness.peer().connect();
    sink.lose();
    expect(harness.session.state.clientConnected).toBe(false);
    expect(harness.session.state.status).toBe('streaming');
    await harness.clock.advance(testSettings.viewerReattachMs - 1);
    const back = harness.watch({ viewerId: id });
    expect(back.id).toBe(id);
    await harness.clock.advance(testSettings.viewerReattachMs * 2);
    expect(harness.parts.peers).toHaveLength(1);
    expect(harness.peer().closed).toBe(false);
    expect(back.sink.signals('sdp_offer')).toEqual([]);
  });

  it('too late makes a new viewer with a new peer', async () => {
    const harness = await liveSession();
    const { sink, id } = harness.watch();
    harness.peer().connect();
    sink.lose();
    await harness.clock.advance(testSettings.viewerReattachMs);
    expect(harness.peer().closed).toBe(true);
    expect(harness.session.state.status).toBe('connecting');
    const back = harness.watch({ viewerId: id });
    expect(back.id).not.toBe(id);
    expect(back.sink.signals('sdp_offer')).toEqual(['offer 1']);
  });

  it('sends an offer again that was not answered, and what came while nobody listened', async () => {
    const harness = await liveSession();
    const { sink, id } = harness.watch();
    harness.peer().listener.onIceCandidate({ candidate: 'one' });
    sink.lose();
    harness.peer().listener.onIceCandidate({ candidate: 'two' });
    const back = harness.watch({ viewerId: id });
    expect(back.sink.signals('sdp_offer')).toEqual(['offer 0']);
    expect(back.sink.signals('ice_candidate')).toEqual([{ candidate: 'one' }, { candidate: 'two' }]);

    await harness.session.acceptSignal(anybody, id, 'sdp_answer', 'answer');
    back.sink.lose();
    harness.peer().listener.onIceCandidate(null);
    const again = harness.watch({ viewerId: id });
    expect(again.sink.signals('sdp_offer')).toEqual([]);
    expect(again.sink.signals('ice_candidate')).toEqual([null]);
  });

  it('makes a new viewer where the connection has ended meanwhile: its browser has nothing left to go on with', async () => {
    const harness = await liveSession();
    const first = harness.watch();
    harness.peer().connect();
    harness.peer().listener.onFailed(new StreamKitError('unavailable', 'No path'));
    expect(
      await codeOf(() => harness.session.acceptSignal(anybody, first.id, 'ice_restart', undefined)),
    ).toBe('no_such_viewer');
    const back = harness.watch({ viewerId: first.id });
    expect(back.id).not.toBe(first.id);
    expect(back.sink.signals('sdp_offer')).toEqual(['offer 1']);
    expect(harness.session.state.metadata.viewers).toBe(1);
  });

  it('takes over from a stream that is still open', async () => {
    const harness = await liveSession();
    const first = harness.watch();
    const second = harness.watch({ viewerId: first.id });
    expect(second.id).toBe(first.id);
    expect(first.sink.signals('closed')).toEqual([{ reason: 'taken_over' }]);
    expect(first.sink.ended).toBe(true);
    expect(harness.session.state.metadata.viewers).toBe(1);
    await harness.clock.advance(testSettings.viewerReattachMs * 2);
    expect(second.sink.ended).toBe(false);
    expect(harness.peer().closed).toBe(false);
  });

  it.each(['failed', 'left'])('with a peer that %s makes a new one', async (how) => {
    const harness = await liveSession();
    const { sink, id } = harness.watch();
    const { listener } = harness.peer();
    if (how === 'left') listener.onLeft();
    else listener.onFailed(new StreamKitError('internal', 'ICE failed'));
    sink.lose();
    const back = harness.watch({ viewerId: id });
    expect(back.id).toBe(id);
    expect(back.sink.signals('sdp_offer')).toEqual(['offer 1']);
  });
});

describe('signals', () => {
  it('go to the peer in order', async () => {
    const harness = await liveSession();
    const { id } = harness.watch();
    const candidate = { candidate: 'candidate:1', sdpMid: '0', sdpMLineIndex: 0, usernameFragment: null };
    await Promise.all([
      harness.session.acceptSignal(anybody, id, 'sdp_answer', 'answer'),
      harness.session.acceptSignal(anybody, id, 'ice_candidate', { ...candidate, extra: 1 }),
      harness.session.acceptSignal(anybody, id, 'ice_candidate', null),
    ]);
    expect(harness.peer().answers).toEqual(['answer']);
    expect(harness.peer().candidates).toEqual([candidate, null]);
  });

  it('request a new peer in place of the one before, also where there was none', async () => {
    const harness = await liveSession();
    const { id, sink } = harness.watch({ media: false });
    const request = () => harness.session.acceptSignal(anybody, id, 'request_offer', undefined);
    await request();
    expect(sink.signals('sdp_offer')).toEqual(['offer 0']);
    harness.peer().connect();
    await Promise.all([request(), request()]);
    expect(sink.signals('sdp_offer').slice(0, 2)).toEqual(['offer 0', 'offer 1']);
    expect(harness.parts.peers.filter(({ closed }) => !closed)).toHaveLength(1);
    // Servers for it come before the offer, for the client may have old ones.
    const types = sink.events.map(({ data }) => data.type as string);
    expect(types.indexOf('ice_servers')).toBeLessThan(types.indexOf('sdp_offer'));
  });

  it('restart ICE with a new offer', async () => {
    const harness = await liveSession();
    const { id, sink } = harness.watch();
    await harness.session.acceptSignal(anybody, id, 'ice_restart', undefined);
    expect(harness.peer().restarts).toBe(1);
    expect(sink.signals('sdp_offer')).toEqual(['offer 0', 'restart offer 0']);
  });

  it.each([
    ['sdp_answer', undefined],
    ['sdp_answer', ''],
    ['sdp_answer', { sdp: 'v=0' }],
    ['sdp_answer', 'x'.repeat(64 * 1024 + 1)],
    ['ice_candidate', undefined],
    ['ice_candidate', 'candidate:1'],
    ['ice_candidate', []],
    ['ice_candidate', { candidate: 1 }],
    ['ice_candidate', { candidate: 'x'.repeat(3000) }],
    ['ice_candidate', { candidate: '', sdpMLineIndex: -1 }],
    ['ice_candidate', { candidate: '', sdpMid: {} }],
  ])('of type %s with the payload %j are unprocessable', async (type, payload) => {
    const harness = await liveSession();
    const { id } = harness.watch();
    expect(await codeOf(() => harness.session.acceptSignal(anybody, id, type, payload))).toBe(
      'unprocessable',
    );
    expect(harness.peer().answers).toEqual([]);
    expect(harness.peer().candidates).toEqual([]);
  });

  it('are refused where they do not belong', async () => {
    const harness = await liveSession();
    const { id: other } = harness.watch({ media: false });
    const { session } = harness;
    expect(await codeOf(() => session.acceptSignal(anybody, 'nobody', 'sdp_answer', 'answer'))).toBe(
      'no_such_viewer',
    );
    expect(await codeOf(() => session.acceptSignal(anybody, other, 'sdp_answer', 'answer'))).toBe('conflict');
    expect(await codeOf(() => session.acceptSignal(anybody, other, 'dance', null))).toBe('bad_request');
    const { id } = harness.watch();
    harness.peer().answerError = new StreamKitError('unprocessable', 'No answer');
    expect(await codeOf(() => session.acceptSignal(anybody, id, 'sdp_answer', 'v=0'))).toBe('unprocessable');
  });

  it('wait for each other in bounded number', async () => {
    const harness = await liveSession();
    const { id } = harness.watch();
    const signals = Array.from({ length: 40 }, () =>
      codeOf(() => harness.session.acceptSignal(anybody, id, 'ice_candidate', null)),
    );
    const codes = await Promise.all(signals);
    expect(codes.filter((code) => code === 'at_capacity')).toHaveLength(8);
    expect(harness.peer().candidates).toHaveLength(32);
    await harness.session.acceptSignal(anybody, id, 'ice_candidate', null);
  });
});

describe('slow client', () => {
  it('gets no patches while too much waits, and the whole document when it has caught up', async () => {
    const harness = await liveSession();
    const { sink } = harness.watch({ media: false });
    await harness.clock.advance(100);
    const before = sink.events.length;
    sink.backlogBytes = MAX_BACKLOG_BYTES + 1;
    for (let level = 0; level < 20; level++) {
      harness.launch.listener.onPageMetadata({ level }, 0);
      await harness.clock.advance(100);
    }
    expect(sink.events).toHaveLength(before);
    sink.drain();
    expect(sink.events).toHaveLength(before + 1);
    expect(sink.events.at(-1)?.data).toMatchObject([{ op: 'replace', path: '' }]);
    harness.launch.listener.onPageMetadata({ level: 20 }, 0);
    await harness.clock.advance(100);
    expect(documentOf(sink)).toEqual(JSON.parse(JSON.stringify(harness.session.state)));
  });

  it('is not resynced when it never fell behind', async () => {
    const harness = await liveSession();
    const { sink } = harness.watch({ media: false });
    const before = sink.events.length;
    sink.drain();
    expect(sink.events).toHaveLength(before);
  });

  it('is cut off when a signal cannot be put off, without harm to the others', async () => {
    const harness = await liveSession();
    const slow = harness.watch();
    const fast = harness.watch();
    slow.sink.backlogBytes = MAX_BACKLOG_BYTES + 1;
    harness.launch.listener.onPageMessage('hello');
    expect(slow.sink.aborted).toBe(true);
    expect(fast.sink.signals('message')).toEqual(['hello']);
    expect(harness.session.state.metadata.viewers).toBe(1);
  });
});
