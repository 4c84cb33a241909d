import { describe, expect, it } from 'vitest';

import { changedWishes, lowestOf, NO_LIMITS } from '../../../src/session/viewer-limits.js';
import { anybody } from '../../helpers/session-fakes.js';
import { codeOf, liveSession, type SessionHarness } from '../../helpers/session-harness.js';
import { FakeMessageSink } from '../../helpers/fake-message-sink.js';

describe('a change of what a viewer gets', () => {
  it('leaves what is left out, and lifts what is null', () => {
    const before = { maxHeight: 360, maxBitrateBps: 500_000 };
    expect(changedWishes(before, { maxHeight: 1 }, 'bad_request')).toEqual({ ...before, maxHeight: 1 });
    expect(changedWishes(before, { maxHeight: null }, 'bad_request')).toEqual({
      ...before,
      maxHeight: undefined,
    });
    expect(changedWishes(before, {}, 'bad_request')).toEqual(before);
  });

  it.each([
    [undefined, 'JSON object'],
    [null, 'JSON object'],
    [[], 'JSON object'],
    ['360', 'JSON object'],
    [{ maxHeight: 0 }, 'integer between 1 and 4320, or null, for maxHeight'],
    [{ maxHeight: 4321 }, 'maxHeight'],
    [{ maxHeight: 360.5 }, 'maxHeight'],
    [{ maxHeight: '360' }, 'maxHeight'],
    [{ maxBitrateBps: 1e9 }, 'maxBitrateBps'],
    [{ maxBitrateBps: NaN }, 'maxBitrateBps'],
    [{ maxBitrateBps: [] }, 'maxBitrateBps'],
    [{ maxheight: 360 }, 'maxHeight, maxBitrateBps but received "maxheight"'],
    [JSON.parse('{"__proto__":{"maxHeight":1}}'), '"__proto__"'],
    [{ maxHeight: 360, toString: 1 }, '"toString"'],
  ])('is refused where it is %j', (change, named) => {
    expect(() => changedWishes({}, change, 'unprocessable')).toThrow(named);
  });

  it('takes effect where it is the lower one', () => {
    expect(lowestOf(NO_LIMITS)).toEqual({ maxHeight: Infinity, maxBitrateBps: Infinity });
    const limits = { wishes: { maxHeight: 720, maxBitrateBps: 9 }, bounds: { maxHeight: 360 } };
    expect(lowestOf(limits)).toEqual({ maxHeight: 360, maxBitrateBps: 9 });
  });
});

describe('a viewer that watches', () => {
  /** The heights that the encodings were told, in order. */
  const told = ({ parts }: SessionHarness): string[] =>
    parts.events.filter((event) => event.startsWith('video target'));

  it('is sent another picture when it wants less, and when the application allows it less', async () => {
    const harness = await liveSession();
    const { id } = harness.watch();
    harness.peer().connect();
    const { session } = harness;
    const viewer = (): object => session.diagnostics.viewers[0] ?? {};
    expect(viewer()).toMatchObject({
      wishes: { maxHeight: null, maxBitrateBps: null },
      bounds: { maxHeight: null, maxBitrateBps: null },
      rung: { reason: 'full', height: 720 },
    });
    await session.acceptSignal(anybody, id, 'set_wishes', { maxHeight: 540 });
    await harness.clock.advance(100);
    expect(viewer()).toMatchObject({
      wishes: { maxHeight: 540, maxBitrateBps: null },
      rung: { reason: 'wish', height: 540 },
    });
    expect(session.viewers.setBounds('1', { maxHeight: 360 })).toEqual({
      maxHeight: 360,
      maxBitrateBps: null,
    });
    await harness.clock.advance(100);
    expect(viewer()).toMatchObject({
      wishes: { maxHeight: 540 },
      bounds: { maxHeight: 360 },
      rung: { reason: 'bound', height: 360 },
    });
    // What the application has set is not for the viewer to lift.
    await session.acceptSignal(anybody, id, 'set_wishes', { maxHeight: null });
    await harness.clock.advance(100);
    expect(viewer()).toMatchObject({ rung: { reason: 'bound', height: 360 } });
    session.viewers.setBounds('1', { maxHeight: null, maxBitrateBps: 1_000_000 });
    await harness.clock.advance(100);
    expect(viewer()).toMatchObject({ rung: { reason: 'bound' } });
    session.viewers.setBounds('1', { maxBitrateBps: null });
    await harness.clock.advance(100);
    expect(viewer()).toMatchObject({ rung: { reason: 'full', height: 720 } });
    expect(told(harness)).toHaveLength(4);
  });

  it('keeps its bounds with a new peer, and changes its picture once for several changes', async () => {
    const harness = await liveSession();
    const { id } = harness.watch();
    const { session } = harness;
    session.viewers.setBounds('1', { maxHeight: 360 });
    harness.peer().connect();
    expect(session.diagnostics.viewers[0]?.rung).toMatchObject({ height: 360, reason: 'bound' });
    await session.acceptSignal(anybody, id, 'request_offer', undefined);
    harness.peer(1).connect();
    expect(session.diagnostics.viewers[0]?.rung).toMatchObject({ height: 360, reason: 'bound' });
    const before = told(harness).length;
    for (let lines = 100; lines < 200; lines++) session.viewers.setBounds('1', { maxHeight: lines });
    await harness.clock.advance(100);
    expect(told(harness).length - before).toBe(1);
  });

  it('keeps its limits when a change is invalid', async () => {
    const harness = await liveSession();
    const { id } = harness.watch();
    harness.peer().connect();
    const { session } = harness;
    const ask = (payload: unknown): Promise<string> =>
      codeOf(() => session.acceptSignal(anybody, id, 'set_wishes', payload));
    expect(await ask({ maxHeight: 360, maxWidth: 640 })).toBe('unprocessable');
    expect(await ask(undefined)).toBe('unprocessable');
    expect(await codeOf(() => session.viewers.setBounds('1', { maxHeight: 0 }))).toBe('bad_request');
    expect(await codeOf(() => session.viewers.setBounds('2', { maxHeight: 360 }))).toBe('no_such_viewer');
    expect(await codeOf(() => session.viewers.setBounds(id, { maxHeight: 360 }))).toBe('no_such_viewer');
    await harness.clock.advance(100);
    expect(session.diagnostics.viewers[0]).toMatchObject({
      wishes: { maxHeight: null },
      bounds: { maxHeight: null },
      rung: { reason: 'full' },
    });
  });

  it('bounds a player too, but not a viewer that only has a WebSocket', async () => {
    const harness = await liveSession();
    const { session } = harness;
    await session.admitPlayer(anybody, 'an offer', []);
    harness.peer().connect();
    session.viewers.setBounds('1', { maxHeight: 360 });
    await harness.clock.advance(100);
    expect(session.diagnostics.viewers[0]?.rung).toMatchObject({ height: 360, reason: 'bound' });
    session.prepareSocket(anybody)(new FakeMessageSink());
    expect(await codeOf(() => session.viewers.setBounds('2', { maxHeight: 360 }))).toBe('conflict');
  });
});
