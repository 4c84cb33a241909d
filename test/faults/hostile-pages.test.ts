import { afterAll, beforeAll, expect, test } from 'vitest';

import { HOSTILE_INPUTS } from '../helpers/hostile-inputs.js';
import { FAIR_CODES, HostilePages } from '../helpers/hostile-pages.js';
import { until } from '../helpers/patience.js';
import { processesOfSessions } from '../helpers/session-processes.js';

/**
 * Each hostile page runs beside one healthy session that somebody watches. Frames per second and the delay of the host's
 * loop are always printed; with STREAM_KIT_ASSERT_FIGURES they are limited as well, which needs a machine that is otherwise
 * idle.
 */
const assertsFigures = (process.env.STREAM_KIT_ASSERT_FIGURES ?? '') !== '';
const RUN_MS = 4_000;
const HOST_GROWTH_MAX_BYTES = 200 * 2 ** 20;

let pages: HostilePages;

beforeAll(async () => {
  pages = await HostilePages.start();
});

afterAll(async () => {
  await pages.close();
  await until(() => expect(processesOfSessions()).toEqual([]));
});

test.each(Object.keys(HOSTILE_INPUTS))('a page that %s harms no other session', async (name) => {
  const harm = await pages.run(name, RUN_MS);
  process.stdout.write(
    `${name} | ${harm.framesPerSecond.toFixed(1)} frames/s | loop p99 ${harm.loopDelayP99Ms.toFixed(1)} ms | ` +
      `host +${(harm.hostGrowthBytes / 2 ** 20).toFixed(0)} MiB | ${harm.status} ${harm.codes.join(' ')}\n`,
  );
  expect(harm.healthyStatus).toBe('streaming');
  expect(harm.framesPerSecond).toBeGreaterThan(0);
  expect(harm.hostGrowthBytes).toBeLessThan(HOST_GROWTH_MAX_BYTES);
  expect(harm.codes.filter((code) => !FAIR_CODES.has(code))).toEqual([]);
  expect(harm.deleted).toBe(204);
  if (!assertsFigures) return;
  expect(harm.framesPerSecond).toBeGreaterThanOrEqual(28);
  expect(harm.loopDelayP99Ms).toBeLessThan(20);
});
