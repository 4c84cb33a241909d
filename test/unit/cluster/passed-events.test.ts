import { describe, expect, it } from 'vitest';

import { PassedEvents } from '../../../src/cluster/passed-events.js';
import { settle, VirtualClock } from '../../helpers/virtual-clock.js';

describe('an event stream of another node', () => {
  function open(): { events: PassedEvents; read: () => string; ended: () => boolean } {
    const events = new PassedEvents();
    let text = '';
    events.on('data', (chunk: Buffer) => (text += chunk.toString()));
    return { events, read: () => text, ended: () => events.readableEnded };
  }

  it('passes whole events alone', async () => {
    const { events, read } = open();
    events.write('data: 1\n\ndata: ');
    await settle();
    expect(read()).toBe('data: 1\n\n');
    events.write('2\n');
    events.write('\n');
    await settle();
    expect(read()).toBe('data: 1\n\ndata: 2\n\n');
  });

  it('ends with the loss of its node, and without what of an event had come', async () => {
    const { events, read, ended } = open();
    events.write('data: 1\n\ndata: hal');
    events.lose();
    events.lose();
    await settle();
    expect(read()).toMatch(
      /^data: 1\n\nevent: state_patch\ndata: \[.*"error".*\]\n\nevent: custom_signal\ndata: .*"node_lost".*\n\n$/,
    );
    expect(ended()).toBe(true);
  });

  it('waits for what its end means', async () => {
    const clock = new VirtualClock();
    const { events, read, ended } = open();
    events.endLater((end) => clock.after(5000, end));
    await clock.advance(4999);
    expect(ended()).toBe(false);
    await clock.advance(1);
    expect([read(), ended()]).toEqual(['', true]);
    const lost = open();
    lost.events.endLater((end) => clock.after(5000, end));
    lost.events.lose();
    await settle();
    expect(lost.read()).toContain('node_lost');
    expect(clock.pendingTimers).toBe(0);
  });
});
