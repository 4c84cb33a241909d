import { describe, expect, it } from 'vitest';

import { EventDelivery } from '../../../src/session/event-delivery.js';
import { customSignal, serverSentEvent } from '../../../src/session/server-sent-event.js';
import type { StatePublisher } from '../../../src/session/state-publisher.js';
import { FakeSink } from '../../helpers/fake-event-sink.js';

/** The patches of a session, as many as the test says. */
class Patches {
  lastSequence = 1;
  since(lastSequence: number | undefined): Uint8Array[] {
    const first = lastSequence === undefined ? this.lastSequence : lastSequence + 1;
    const count = this.lastSequence - first + 1;
    return Array.from({ length: count }, (_, index) =>
      serverSentEvent('state_patch', [], { id: first + index, time: 0 }),
    );
  }
}

describe('what one client is sent', () => {
  it('is each patch once, however often it is told that there is one', () => {
    const [sink, patches] = [new FakeSink(), new Patches()];
    const delivery = new EventDelivery(sink, patches as unknown as StatePublisher, () => undefined);
    delivery.sendState(undefined);
    patches.lastSequence = 3;
    delivery.sendPatches();
    delivery.sendPatches();
    expect(sink.events.map(({ id }) => id)).toEqual([1, 2, 3]);
  });

  it('ends with every patch that there is', () => {
    const [sink, patches] = [new FakeSink(), new Patches()];
    const delivery = new EventDelivery(sink, patches as unknown as StatePublisher, () => undefined);
    delivery.sendState(undefined);
    patches.lastSequence = 2;
    delivery.end(customSignal('closed', { reason: 'deleted' }));
    expect(sink.events.map(({ event, id }) => [event, id])).toEqual([
      ['state_patch', 1],
      ['state_patch', 2],
      ['custom_signal', undefined],
    ]);
  });
});
