import { expect, test } from 'vitest';

import { silentLogger, type Logger } from '../../../../src/base/logger.js';
import type { BrowserProcess } from '../../../../src/render/capture/browser-process.js';
import type { CapturePage } from '../../../../src/render/capture/capture-page.js';
import { CaptureWatch } from '../../../../src/render/capture/capture-watch.js';
import type { PictureGap } from '../../../../src/render/capture/frame-latency.js';
import type { RenderedPage } from '../../../../src/render/capture/rendered-page.js';
import { VirtualClock } from '../../../helpers/virtual-clock.js';

const logger: Logger = silentLogger;
const answers = { send: () => Promise.resolve({}) };

const nothing = (): void => undefined;

/** A watched capture whose parts answer, but for the tab that captures. */
function watched(
  progress: () => Promise<unknown>,
  replace: () => Promise<void>,
  { lostBecause, cdp = answers }: { lostBecause?: string; cdp?: object } = {},
) {
  const clock = new VirtualClock();
  const faults: string[] = [];
  const ended: string[] = [];
  const capturePage = {
    progress,
    replace,
    running: false,
    lostBecause,
    onLost: nothing as (message: string) => void,
  };
  const watch = new CaptureWatch(
    {
      browserProcess: { connection: { browser: answers } } as unknown as BrowserProcess,
      renderedPage: {
        shown: { id: '1', cdp, paint: () => Promise.resolve() },
      } as unknown as RenderedPage,
      capturePage: capturePage as unknown as CapturePage,
      ...{ encoded: () => undefined, onEncodingStalled: nothing, hangTimeoutMs: 60_000, clock, logger },
    },
    { onResponsive: nothing, onFault: (code) => faults.push(code), onSound: nothing },
    ({ code }) => ended.push(code),
  );
  return { clock, faults, ended, capturePage, watch };
}

test.each([
  ['never', []],
  ['once', [{ pictures: 1, soundChunks: 1 }]],
])('a capture tab that answers %s is replaced when it hangs', async (_often, replies) => {
  const left = [...replies];
  let replaced = 0;
  let abandon = nothing;
  const { clock, faults, ended, watch } = watched(
    () => {
      const next = replaced > 0 ? { pictures: 1, soundChunks: 1 } : left.shift();
      if (next !== undefined) return Promise.resolve(next);
      return new Promise((_resolve, reject) => (abandon = () => reject(new Error('The target has gone'))));
    },
    () => {
      replaced += 1;
      abandon();
      return Promise.resolve();
    },
  );
  await clock.advance(9_000);
  expect(faults).toEqual([]);
  await clock.advance(5_000);
  expect([faults, replaced]).toEqual([['capture_stalled'], 1]);
  await clock.advance(60_000);
  expect([faults, replaced, ended]).toEqual([['capture_stalled'], 1, []]);
  watch.close();
  expect(clock.pendingTimers).toBe(0);
});

test('a capture tab that is lost is replaced at once, and what cannot be replaced ends the capture', async () => {
  let replaced = 0;
  const { clock, faults, ended, capturePage } = watched(
    () => Promise.resolve({ pictures: 1, soundChunks: 1 }),
    () => {
      replaced += 1;
      return replaced === 1 ? Promise.resolve() : Promise.reject(new Error('No tab'));
    },
  );
  await clock.advance(2_000);
  capturePage.onLost('Its tab crashed');
  expect([faults, replaced]).toEqual([['capture_failed'], 1]);
  await clock.advance(2_000);
  expect(ended).toEqual([]);
  capturePage.onLost('Its tab crashed');
  await clock.advance(2_000);
  expect([faults, replaced, ended]).toEqual([['capture_failed', 'capture_failed'], 2, ['capture_failed']]);
});

test('a capture tab that was lost while the page was loading is replaced at once', async () => {
  let replaced = 0;
  const { clock, faults, ended } = watched(
    () => Promise.resolve({ pictures: 1, soundChunks: 1 }),
    () => Promise.resolve(void (replaced += 1)),
    { lostBecause: 'Its tab crashed' },
  );
  await clock.advance(60_000);
  expect([faults, replaced, ended]).toEqual([['capture_failed'], 1, []]);
});

test('the frames of an animated page are held back after a gap between its pictures', async () => {
  let [pictures, holds] = [0, 0];
  const gaps: PictureGap[] = [];
  const send = (_method: string, { expression }: { expression: string }): Promise<object> => {
    if (expression.includes('requestAnimationFrame')) holds += 1;
    return Promise.resolve({ result: {} });
  };
  const { clock, watch } = watched(
    () => Promise.resolve({ pictures: (pictures += 60), soundChunks: 1, gap: gaps.shift() }),
    () => Promise.resolve(),
    { cdp: { send } },
  );
  await clock.advance(120_000);
  // Once at the start.
  expect(holds).toBe(1);
  gaps.push({ startMs: clock.wallMs(), endMs: clock.wallMs() + 50 });
  await clock.advance(1_000);
  expect(holds).toBe(2);
  watch.close();
});
