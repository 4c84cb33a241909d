import { expect, it } from 'vitest';

import type { Caller } from '../../../src/session/caller.js';
import { codeOf, liveSession } from '../../helpers/session-harness.js';
import { anybody, testSettings } from '../../helpers/session-fakes.js';

const { maxViewersPerSession } = testSettings;
const other: Caller = { ...anybody, key: 'id other', id: 'other' };

it('a viewer that is away gives its seat to a newcomer, the longest away first', async () => {
  const { watch, session, clock } = await seats();
  const viewers = Array.from({ length: maxViewersPerSession }, () => watch());
  expect(await codeOf(() => watch({ caller: other }))).toBe('at_capacity');
  for (const { sink } of [viewers[1], viewers[0]].flatMap((one) => one ?? [])) {
    sink.lose();
    await clock.advance(1000);
  }
  session.viewers.checkRoom(other);
  expect(viewers.map(({ id }) => session.viewers.has(id))).toEqual([true, true, true]);
  watch({ caller: other });
  expect(viewers.map(({ id }) => session.viewers.has(id))).toEqual([true, false, true]);
  watch({ caller: other });
  expect(viewers.map(({ id }) => session.viewers.has(id))).toEqual([false, false, true]);
  expect(await codeOf(() => watch({ caller: other }))).toBe('at_capacity');
});

it('a caller has no more seats than it may, whoever is away, unless it is an operator', async () => {
  const { watch, session } = await seats();
  const own = Array.from({ length: testSettings.maxViewersPerCaller }, () => watch());
  own[0]?.sink.lose();
  expect(await codeOf(() => watch())).toBe('at_capacity');
  session.viewers.checkRoom({ ...anybody, role: 'operator' });
});

async function seats() {
  const harness = await liveSession();
  return { watch: harness.watch.bind(harness), session: harness.session, clock: harness.clock };
}
