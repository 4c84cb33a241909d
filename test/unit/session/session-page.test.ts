import { describe, expect, it } from 'vitest';

import { anybody, testSettings } from '../../helpers/session-fakes.js';
import { codeOf, launchingSession, liveSession } from '../../helpers/session-harness.js';
import { settle } from '../../helpers/virtual-clock.js';

describe('page', () => {
  it('sets metadata, without what clients refuse to patch', async () => {
    const harness = await liveSession();
    const { sink } = harness.watch();
    harness.launch.listener.onPageMetadata({ score: 1, constructor: { prototype: {} } }, 0);
    await harness.clock.advance(testSettings.stateUpdateInterval);
    expect(harness.session.state.metadata.page).toEqual({ score: 1, constructor: {} });
    expect(sink.events.at(-1)?.data).toContainEqual({ op: 'add', path: '/metadata/page/score', value: 1 });
  });

  it('sends messages to every viewer and gets theirs', async () => {
    const harness = await liveSession();
    const first = harness.watch();
    const second = harness.watch();
    harness.launch.listener.onPageMessage({ hello: 1 });
    expect(first.sink.signals('message')).toEqual([{ hello: 1 }]);
    expect(second.sink.signals('message')).toEqual([{ hello: 1 }]);
    await harness.session.acceptSignal(anybody, first.id, 'message', { to: 'page' });
    expect(harness.parts.messagesToPage).toEqual([{ to: 'page' }]);
    const tooLarge = 'x'.repeat(64 * 1024);
    expect(await codeOf(() => harness.session.acceptSignal(anybody, first.id, 'message', tooLarge))).toBe(
      'too_large',
    );
    expect(await codeOf(() => harness.session.acceptSignal(anybody, first.id, 'message', undefined))).toBe(
      'unprocessable',
    );
  });

  it('is told how many viewers there are', async () => {
    const harness = launchingSession();
    const { sink } = harness.watch();
    harness.launch.succeed();
    await settle();
    expect(harness.parts.viewerCount).toBe(1);
    sink.lose();
    expect(harness.parts.viewerCount).toBe(0);
  });

  it('cannot be sent to before it is loaded', async () => {
    const harness = launchingSession();
    const { id } = harness.watch();
    expect(await codeOf(() => harness.session.acceptSignal(anybody, id, 'message', 1))).toBe('unavailable');
  });
});

describe('snapshot', () => {
  it('is refused before there is a picture and after the end', async () => {
    const harness = launchingSession();
    expect(await codeOf(() => harness.session.snapshot({ format: 'png' }))).toBe('unavailable');
    harness.launch.succeed();
    await settle();
    expect(await harness.session.snapshot({ format: 'png' })).toEqual(new Uint8Array([1, 2, 3]));
    await harness.session.close('deleted');
    expect(await codeOf(() => harness.session.snapshot({ format: 'png' }))).toBe('conflict');
  });

  it('is taken one at a time, and only so many wait', async () => {
    const harness = await liveSession();
    let taken = 0;
    let release: () => void = () => undefined;
    harness.parts.snapshotResult = () => {
      taken += 1;
      return new Promise((resolve) => (release = () => resolve(new Uint8Array())));
    };
    const waiting = [1, 2, 3, 4].map(() => harness.session.snapshot({ format: 'png' }));
    await settle();
    expect(taken).toBe(1);
    expect(await codeOf(() => harness.session.snapshot({ format: 'png' }))).toBe('at_capacity');
    for (const one of waiting) {
      release();
      await one;
      await settle();
    }
    expect(taken).toBe(4);
  });
});

describe('viewers', () => {
  it('are limited in number, those that are away for a while included', async () => {
    const harness = await liveSession();
    const first = harness.watch();
    harness.watch();
    harness.watch();
    first.sink.lose();
    const admit = () =>
      harness.session.admit({ caller: anybody, viewerId: undefined, videoCodec: undefined, media: true });
    expect(await codeOf(admit)).toBe('at_capacity');
    await harness.clock.advance(testSettings.viewerReattachMs);
    expect(await codeOf(admit)).toBe('nothing was thrown');
  });

  it('that never get to their event stream are forgotten', async () => {
    const harness = await liveSession();
    for (let count = 0; count < 3; count++)
      harness.session.admit({ caller: anybody, viewerId: undefined, videoCodec: undefined, media: true });
    await harness.clock.advance(testSettings.viewerReattachMs);
    expect(await codeOf(() => harness.watch())).toBe('nothing was thrown');
  });
});
