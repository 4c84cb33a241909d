import { expect, test } from 'vitest';

import { silentLogger, type Logger } from '../../../../src/base/logger.js';
import type { BrowserProcess } from '../../../../src/render/capture/browser-process.js';
import type { CapturePage } from '../../../../src/render/capture/capture-page.js';
import { CaptureWatch } from '../../../../src/render/capture/capture-watch.js';
import type { RenderedPage } from '../../../../src/render/capture/rendered-page.js';
import { VirtualClock } from '../../../helpers/virtual-clock.js';

const logger: Logger = silentLogger;
const answers = { send: () => Promise.resolve({}) };

test.each([
  ['never', []],
  ['once', [{ pictures: 1, soundChunks: 1 }]],
])('a capture tab that answers %s is noticed when it hangs', async (_often, replies) => {
  const clock = new VirtualClock();
  const left = [...replies];
  const progress = (): Promise<unknown> => {
    const next = left.shift();
    return next === undefined ? new Promise(() => undefined) : Promise.resolve(next);
  };
  const ended: string[] = [];
  const nothing = (): void => undefined;
  const watch = new CaptureWatch(
    {
      browserProcess: { connection: { browser: answers } } as unknown as BrowserProcess,
      renderedPage: {
        shown: { id: '1', cdp: answers, paint: () => Promise.resolve() },
      } as unknown as RenderedPage,
      capturePage: { progress, running: false } as unknown as CapturePage,
      ...{ encodedFrames: () => undefined, hangTimeoutMs: 60_000, clock, logger },
    },
    { onResponsive: nothing, onFault: nothing, onSound: nothing },
    ({ code }) => ended.push(code),
  );
  await clock.advance(9_000);
  expect(ended).toEqual([]);
  await clock.advance(5_000);
  expect(ended).toEqual(['capture_stalled']);
  watch.close();
  expect(clock.pendingTimers).toBe(0);
});
