import { beforeEach, describe, expect, it } from 'vitest';

import type { Caller } from '../../../src/session/caller.js';
import type { StreamSessionState } from '../../../src/protocol/state-document.js';
import { FakeMessageSink } from '../../helpers/fake-message-sink.js';
import { anybody, testSettings } from '../../helpers/session-fakes.js';
import { codeOf, liveSession, type SessionHarness, type Watching } from '../../helpers/session-harness.js';
import { settle } from '../../helpers/virtual-clock.js';

let harness: SessionHarness;
let watching: Watching;

beforeEach(async () => {
  harness = await liveSession();
  watching = harness.watch();
});

/** A WebSocket of a viewer, or one that is a viewer of its own. */
function connect(viewerId?: string, caller: Caller = anybody): FakeMessageSink {
  const sink = new FakeMessageSink();
  harness.session.prepareSocket(caller, viewerId)(sink);
  return sink;
}

interface Channel {
  readonly told: any[];
  readonly say: (message: object) => Promise<void>;
}

/** The data channel of a viewer. */
function openChannel(peer = 0): Channel {
  const { listener } = harness.peer(peer);
  const told: any[] = [];
  listener.onInputOpen?.({
    backlogBytes: 0,
    send: (text) => void told.push(JSON.parse(text)),
    close: () => undefined,
  });
  const say = async (message: object): Promise<void> => {
    listener.onInputMessage?.(JSON.stringify(message));
    await settle();
  };
  return { told, say };
}

async function say(sink: FakeMessageSink, message: object): Promise<void> {
  sink.receive(message);
  await settle();
}

const key = (action: 'down' | 'up', name: string): object => ({
  ...{ type: 'keyboard', action, code: `Key${name.toUpperCase()}`, key: name },
});
/** Keys as the page sees them go down and up. */
const keys = (): string[] =>
  harness.parts.commands.flatMap(([name, { type, key: of }]) =>
    name === 'Input.dispatchKeyEvent' ? [`${type === 'keyUp' ? 'up' : 'down'} ${of}`] : [],
  );
const metadata = (): StreamSessionState['metadata'] => harness.session.state.metadata;
const joins = (): unknown[] => harness.parts.observed.filter(([name]) => name === 'viewer:join');

describe('a WebSocket that names a viewer', () => {
  it('is asked for control while the event stream is away, and is the same viewer in every list', async () => {
    const sink = connect(watching.id);
    const other = harness.watch();
    const alone = connect();
    watching.sink.lose();
    expect(harness.session.viewers.list()).toMatchObject([
      { publicId: '1', role: 'controller', attached: true },
      { publicId: '2', role: 'viewer', attached: true },
      { publicId: '3', role: 'viewer', attached: true },
    ]);
    expect(harness.session.viewers.diagnostics().map(({ publicId }) => publicId)).toEqual(['1', '2', '3']);
    expect(metadata().viewers).toBe(3);
    await harness.session.acceptSignal(anybody, other.id, 'request_control', undefined);
    expect(sink.messages('control_requested')).toEqual([
      { type: 'control_requested', publicId: '2', viewerId: '2' },
    ]);
    expect(alone.messages('control_requested')).toEqual([]);
    alone.lose();
    expect(harness.session.viewers.list()).toHaveLength(2);
    expect(harness.session.viewers.countOf(anybody.key)).toBe(2);
  });

  it('has its public id and role, and is no other viewer', async () => {
    const sink = connect(watching.id);
    expect(sink.messages('role')).toEqual([
      { type: 'role', role: 'controller', controllerId: '1', publicId: '1' },
    ]);
    expect([metadata().viewers, metadata().controllerId, joins().length]).toEqual([1, '1', 1]);
    expect(harness.session.state.status).toBe('streaming');
    await say(sink, key('down', 'w'));
    expect(keys()).toEqual(['down w']);
    await say(sink, { type: 'release_control' });
    expect(metadata().controllerId).toBeNull();
    expect(watching.sink.signals('role')).toEqual([{ role: 'viewer' }]);
    expect(sink.messages('role').at(-1)).toEqual({ type: 'role', role: 'viewer' });
    sink.lose();
    expect(joins()).toHaveLength(1);
    expect(connect().messages('role')).toMatchObject([{ role: 'controller', publicId: '2' }]);
    expect([metadata().viewers, joins().length]).toEqual([2, 2]);
  });

  it('lets go of what was held over it when it is closed, and leaves control where it is', async () => {
    const channel = openChannel();
    const sink = connect(watching.id);
    await say(sink, key('down', 'w'));
    sink.lose();
    await settle();
    expect(keys()).toEqual(['down w', 'up w']);
    expect([metadata().viewers, metadata().controllerId]).toEqual([1, '1']);
    harness.launch.listener.onCursor('pointer');
    expect(channel.told.at(-1)).toEqual({ type: 'cursor', css: 'pointer' });
    const back = connect(watching.id);
    expect(back.messages('cursor')).toEqual([{ type: 'cursor', css: 'pointer' }]);
    await say(back, key('down', 's'));
    expect(keys()).toEqual(['down w', 'up w', 'down s']);
  });

  it('takes over from the data channel, whose end then lets go of nothing', async () => {
    const channel = openChannel();
    await channel.say(key('down', 'w'));
    const sink = connect(watching.id);
    await settle();
    expect(keys()).toEqual(['down w', 'up w']);
    await say(sink, key('down', 'w'));
    // What was on its way there, and what ICE says long after.
    await channel.say(key('down', 'w'));
    await channel.say(key('up', 'w'));
    harness.peer().listener.onIceStateChange('failed');
    harness.peer().listener.onInputClosed?.();
    await settle();
    expect(keys()).toEqual(['down w', 'up w', 'down w', 'down w']);
    await say(sink, key('up', 'w'));
    expect(keys().at(-1)).toBe('up w');
  });

  it('is told what the data channel was told, but for the answers to what came by that', async () => {
    const channel = openChannel();
    const sink = connect(watching.id);
    await say(sink, { type: 'key', name: 'C-c' });
    harness.launch.listener.onClipboard('text');
    await channel.say({ type: 'nonsense' });
    await say(sink, { type: 'pointer' });
    expect(sink.messages('clipboard')).toHaveLength(1);
    expect(sink.messages('error')).toMatchObject([{ code: 'bad_input' }]);
    expect(channel.told.map(({ type }) => type)).toEqual(['role', 'error']);
    expect(channel.told.at(-1)).toMatchObject({ code: 'bad_message' });
    // The data channel that is opened last is the one that is told.
    const again = openChannel();
    harness.launch.listener.onClipboard('more');
    expect(again.told.map(({ type }) => type)).toEqual(['role', 'clipboard']);
    expect(sink.messages('clipboard')).toHaveLength(1);
  });

  it('is one: another that names the viewer takes its place, and no more is counted', async () => {
    const first = connect(watching.id);
    await say(first, key('down', 'w'));
    const second = connect(watching.id);
    await settle();
    expect(first.closed).toEqual({ code: 1008, reason: 'taken_over' });
    expect([keys(), metadata().viewers, metadata().controllerId]).toEqual([['down w', 'up w'], 1, '1']);
    const third = connect(watching.id);
    expect([second.closed?.reason, third.closed]).toEqual(['taken_over', undefined]);
    await say(third, key('down', 's'));
    expect(keys().at(-1)).toBe('down s');
    // Two more have room still: those that were taken over take none.
    connect();
    connect();
    expect(await codeOf(() => connect())).toBe('at_capacity');
    expect(connect(watching.id).closed).toBeUndefined();
    expect(metadata().viewers).toBe(3);
  });

  it('stays while the viewer comes back in time', async () => {
    const sink = connect(watching.id);
    watching.sink.lose();
    await harness.clock.advance(testSettings.viewerReattachMs - 1);
    expect([metadata().viewers, metadata().controllerId]).toEqual([1, '1']);
    harness.watch({ viewerId: watching.id, media: false });
    await harness.clock.advance(testSettings.viewerReattachMs);
    expect(sink.closed).toBeUndefined();
    await say(sink, key('down', 'w'));
    expect(keys()).toEqual(['down w']);
  });

  it('ends with the viewer, and another viewer begins anew', async () => {
    const sink = connect(watching.id);
    await say(sink, key('down', 'w'));
    watching.sink.lose();
    await harness.clock.advance(testSettings.viewerReattachMs);
    expect(sink.closed).toEqual({ code: 1008, reason: 'no_such_viewer' });
    expect(keys()).toEqual(['down w', 'up w']);
    expect([metadata().viewers, metadata().controllerId]).toEqual([0, null]);
    expect(await codeOf(() => connect(watching.id))).toBe('no_such_viewer');
    const { id } = harness.watch({ viewerId: watching.id, media: false });
    expect(connect(id).messages('role')).toMatchObject([{ role: 'controller', publicId: '2' }]);
  });

  it('keeps its viewer, whose peer has ended, when that comes back without wanting one', async () => {
    harness.peer().connect();
    const sink = connect(watching.id);
    harness.peer().listener.onLeft();
    await settle();
    watching.sink.lose();
    const back = harness.watch({ viewerId: watching.id, media: false });
    expect([back.id, sink.closed, back.sink.signals('sdp_offer')]).toEqual([watching.id, undefined, []]);
    expect([metadata().viewers, metadata().controllerId]).toEqual([1, '1']);
    // One that does want it begins anew.
    back.sink.lose();
    expect(harness.watch({ viewerId: watching.id }).id).not.toBe(watching.id);
    expect(sink.closed?.reason).toBe('no_such_viewer');
  });

  it('gives a viewer that watched the state alone a way to control', async () => {
    watching.sink.lose();
    await harness.clock.advance(testSettings.viewerReattachMs);
    const { id } = harness.watch({ media: false });
    expect(metadata().controllerId).toBeNull();
    expect(connect(id).messages('role')).toMatchObject([{ role: 'controller', publicId: '2' }]);
  });

  it('acts with the rights of who has made the viewer, and is cut off where the viewer sends too much', async () => {
    const never: Caller = { ...anybody, role: 'viewer' };
    const sink = connect(harness.watch({ caller: never }).id, anybody);
    await say(sink, { type: 'request_control' });
    expect(sink.messages('error')).toMatchObject([{ code: 'forbidden' }]);
    for (let count = 0; count < 8001; count += 1) sink.receive('{"type":"wheel"}');
    expect(sink.closed).toEqual({ code: 1008, reason: 'too_much_input' });
    expect(metadata().viewers).toBe(2);
  });

  it.each([
    ['an unknown one', () => 'viewer-99'],
    ['none', () => ''],
    ['garbage', () => '\u0000\ud800../%00'],
    ['one that is too long', () => watching.id.padEnd(100_000, '=')],
    ['a public id', () => '1'],
  ])('is refused where that is %s', async (_, viewerId) => {
    expect(await codeOf(() => harness.session.prepareSocket(anybody, viewerId()))).toBe('no_such_viewer');
  });

  it('is refused where the viewer obeys another caller', async () => {
    const [alice, bob]: Caller[] = ['alice', 'bob'].map((id) => ({ ...anybody, id, key: `id ${id}` }));
    const { id } = harness.watch({ caller: alice ?? anybody });
    expect(await codeOf(() => harness.session.prepareSocket(bob ?? anybody, id))).toBe('no_such_viewer');
    expect(await codeOf(() => harness.session.prepareSocket(anybody, id))).toBe('no_such_viewer');
    expect(connect(id, alice).closed).toBeUndefined();
  });

  it('is closed where the viewer goes while the connection is upgraded', async () => {
    const take = harness.session.prepareSocket(anybody, watching.id);
    watching.sink.lose();
    await harness.clock.advance(testSettings.viewerReattachMs);
    const sink = new FakeMessageSink();
    take(sink);
    expect(sink.closed).toEqual({ code: 1008, reason: 'no_such_viewer' });
    expect([metadata().viewers, metadata().controllerId]).toEqual([0, null]);
  });

  it('ends with the session, for the reason of that', async () => {
    const sink = connect(watching.id);
    await harness.session.close('shutdown');
    expect(sink.closed).toEqual({ code: 1001, reason: 'shutdown' });
    expect(harness.clock.pendingTimers).toBe(0);
  });
});
