import { describe, expect, it } from 'vitest';

import type { Caller } from '../../../src/session/caller.js';
import { anybody } from '../../helpers/session-fakes.js';
import { codeOf, liveSession, SessionHarness } from '../../helpers/session-harness.js';
import { settle } from '../../helpers/virtual-clock.js';

/** The data channel of a viewer, played by the test. */
function openChannel(
  harness: SessionHarness,
  peer: number,
): { sent: any[]; say(message: object): Promise<void> } {
  const { listener } = harness.peer(peer);
  const sent: any[] = [];
  listener.onInputOpen?.({
    backlogBytes: 0,
    send: (text) => void sent.push(JSON.parse(text)),
    close: () => undefined,
  });
  return {
    sent,
    say: async (message) => {
      listener.onInputMessage?.(JSON.stringify(message));
      await settle();
    },
  };
}

const press = { type: 'pointer', action: 'down', x: 0.5, y: 0.5, button: 0 };
const never: Caller = { ...anybody, role: 'viewer' };

describe('the control of a session', () => {
  it('goes from viewer to viewer by their public ids, and each is told', async () => {
    const harness = await liveSession();
    const [a, b] = [harness.watch(), harness.watch()];
    const [channelA, channelB] = [openChannel(harness, 0), openChannel(harness, 1)];
    expect(channelA.sent).toEqual([{ type: 'role', role: 'controller', controllerId: '1', publicId: '1' }]);
    expect(channelB.sent).toEqual([{ type: 'role', role: 'viewer', controllerId: '1', publicId: '2' }]);
    await channelA.say(press);
    await channelB.say(press);
    expect(harness.parts.commands.map(([name]) => name)).toEqual(['Input.dispatchMouseEvent']);
    expect(channelB.sent.at(-1)).toMatchObject({ type: 'error', code: 'forbidden' });

    await harness.session.acceptSignal(anybody, b.id, 'request_control', undefined);
    expect(a.sink.signals('control_requested')).toEqual([{ publicId: '2', viewerId: '2' }]);
    await harness.session.acceptSignal(anybody, a.id, 'give_control', { publicId: '2' });
    await settle();
    expect(harness.parts.commands.at(-1)?.[1]).toMatchObject({ type: 'mouseReleased' });
    expect(harness.session.state.metadata.controllerId).toBe('2');
    expect(a.sink.signals('role')).toEqual([{ role: 'viewer', controllerId: '2' }]);
    expect(b.sink.signals('role')).toEqual([{ role: 'controller', controllerId: '2' }]);
    expect(channelB.sent.at(-1)).toEqual({ type: 'role', role: 'controller', controllerId: '2' });
    // Who knows the secret id of another may name it by that.
    await harness.session.acceptSignal(anybody, b.id, 'give_control', { viewerId: a.id });
    expect(harness.session.state.metadata.controllerId).toBe('1');
    await harness.session.acceptSignal(anybody, a.id, 'release_control', undefined);
    expect(harness.session.state.metadata.controllerId).toBeNull();
  });

  it('is refused with a code', async () => {
    const harness = await liveSession();
    const [a, b] = [harness.watch(), harness.watch({ caller: never })];
    const signal = (from: string, type: string, payload?: unknown): Promise<string> =>
      codeOf(() => harness.session.acceptSignal(from === b.id ? never : anybody, from, type, payload));
    expect(await signal(b.id, 'request_control')).toBe('forbidden');
    expect(await signal(b.id, 'give_control', { viewerId: '1' })).toBe('forbidden');
    expect(await signal(a.id, 'give_control', { viewerId: '2' })).toBe('forbidden');
    expect(await signal(a.id, 'give_control', { viewerId: '9' })).toBe('no_such_viewer');
    expect(await signal(a.id, 'give_control', {})).toBe('unprocessable');
    expect(harness.session.state.metadata.controllerId).toBe('1');
  });

  it('is not for one that watches the state alone, unless it asks', async () => {
    const harness = await liveSession();
    const { id } = harness.watch({ media: false });
    expect(harness.session.state.metadata.controllerId).toBeNull();
    await harness.session.acceptSignal(anybody, id, 'request_control', undefined);
    expect(harness.session.state.metadata.controllerId).toBe('1');
  });

  it('is kept while a viewer is away, but nothing is held; and is free when it is gone', async () => {
    const harness = await liveSession();
    const { sink } = harness.watch();
    const channel = openChannel(harness, 0);
    await channel.say({ type: 'keyboard', action: 'down', code: 'KeyW', key: 'w' });
    harness.peer().listener.onIceStateChange('disconnected');
    await settle();
    expect(harness.parts.commands.at(-1)?.[1]).toMatchObject({ type: 'keyUp', key: 'w' });
    sink.lose();
    await harness.clock.advance(14_000);
    expect(harness.session.state.metadata.controllerId).toBe('1');
    await harness.clock.advance(2000);
    expect(harness.session.state.metadata.controllerId).toBeNull();
  });

  it('tells the controllers alone what the page shows and copies', async () => {
    const harness = await liveSession();
    harness.watch();
    harness.watch();
    const [channelA, channelB] = [openChannel(harness, 0), openChannel(harness, 1)];
    harness.launch.listener.onCursor('pointer');
    // A page fills the clipboard of one who copies, and of nobody else.
    const refusal = { type: 'refused', what: 'clipboard', message: 'too large' } as const;
    harness.launch.listener.onClipboard('unasked');
    harness.launch.listener.onPageEvent(refusal);
    await channelA.say({ type: 'key', name: 'C-c' });
    harness.launch.listener.onClipboard('text');
    harness.launch.listener.onPageEvent(refusal);
    await harness.clock.advance(5001);
    harness.launch.listener.onClipboard('too late');
    expect(channelA.sent.slice(1)).toEqual([
      { type: 'cursor', css: 'pointer' },
      { type: 'clipboard', text: 'text' },
      refusal,
    ]);
    expect(channelB.sent).toHaveLength(1);
  });

  it('tells images alone with the option, and each that was begun in time to its end', async () => {
    const part = { type: 'clipboard_image', parts: 2, data: 'iVBORw0K' } as const;
    for (const clipboardImages of [true, false]) {
      const harness = new SessionHarness({}, { clipboardImages });
      harness.session.launch();
      harness.launch.succeed();
      await settle();
      harness.watch();
      const channel = openChannel(harness, 0);
      const copy = (index: number): void => harness.launch.listener.onPageEvent({ ...part, part: index });
      copy(0);
      await channel.say({ type: 'key', name: 'C-c' });
      // Of the one that was too early.
      copy(1);
      copy(0);
      await harness.clock.advance(5001);
      copy(1);
      copy(0);
      const told = channel.sent.slice(1).map((message) => (message as { part?: number }).part);
      expect(told).toEqual(clipboardImages ? [0, 1] : []);
    }
  });

  it('brings what a page asks to its controller, and to the one that takes over, and answers where nobody can', async () => {
    const harness = await liveSession();
    const dialog = { type: 'dialog', id: '1', kind: 'confirm', message: 'Really?' } as const;
    harness.launch.listener.onPageEvent(dialog);
    expect(harness.parts.commands.at(-1)).toEqual(['answer', { type: 'dialog', id: '1', accept: false }]);
    harness.launch.listener.onPageEvent({ type: 'prompt_closed', id: '1' });
    harness.watch();
    const first = openChannel(harness, 0);
    harness.launch.listener.onPageEvent({ ...dialog, id: '2' });
    expect(first.sent.slice(1)).toEqual([{ ...dialog, id: '2' }]);
    // Its channel is replaced: it is asked again.
    const again = openChannel(harness, 0);
    expect(again.sent.slice(1)).toEqual([{ ...dialog, id: '2' }]);
    await again.say({ type: 'dialog', id: '2', accept: true });
    expect(harness.parts.commands.at(-1)).toEqual(['answer', { type: 'dialog', id: '2', accept: true }]);
    harness.launch.listener.onPageEvent({ type: 'prompt_closed', id: '2' });
    expect(openChannel(harness, 0).sent).toHaveLength(1);
  });

  it('resizes the picture, no more often than four times a second, and within the limits of its caller', async () => {
    const harness = await liveSession({ resolution: '640x360', deviceScaleFactor: 2 });
    harness.watch({ caller: { ...anybody, limits: { maxPixels: 1000 * 1000 } } });
    const channel = openChannel(harness, 0);
    const sizes = (): string[] =>
      harness.parts.events.filter((event) => event.startsWith('capture ') && event.includes('x'));
    for (let width = 801; width < 900; width += 1) await channel.say({ type: 'resize', width, height: 501 });
    expect(sizes()).toEqual(['capture 800x500 at 30']);
    await harness.clock.advance(300);
    expect(sizes()).toEqual(['capture 800x500 at 30', 'capture 898x500 at 30']);
    expect(harness.session.state.instanceInfo?.viewport).toEqual({ width: 449, height: 250 });
    await channel.say({ type: 'resize', width: 2000, height: 1000 });
    expect(channel.sent.at(-1)).toMatchObject({ type: 'error', code: 'forbidden' });
  });

  it('is cut off where it sends more than it may', async () => {
    const harness = await liveSession();
    harness.watch();
    let closed = 0;
    harness.peer().listener.onInputOpen?.({
      backlogBytes: 0,
      send: () => undefined,
      close: () => {
        closed += 1;
      },
    });
    for (let i = 0; i < 8001; i += 1) harness.peer().listener.onInputMessage?.('{"type":"wheel"}');
    expect(closed).toBe(1);
  });
});
