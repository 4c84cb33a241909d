import { afterAll, beforeAll, expect, test } from 'vitest';

import { FAIR_CODES, HostilePages } from '../helpers/hostile-pages.js';
import { until } from '../helpers/patience.js';
import { processesOfSessions } from '../helpers/session-processes.js';

/** The pages that ended or stalled the whole server once. `npm run test:faults` has all of them. */

const RUN_MS = 1_500;

let pages: HostilePages;

beforeAll(async () => {
  pages = await HostilePages.start();
});

afterAll(async () => {
  await pages.close();
  await until(() => expect(processesOfSessions()).toEqual([]));
});

test.each([
  'logs a string of 100 MB',
  'posts a body of 100 MB',
  'replaces JSON.stringify',
  'logs 400,000 objects a second',
  'sends 400,000 messages a second',
])('a page that %s harms no other session', async (name) => {
  const harm = await pages.run(name, RUN_MS);
  expect(harm.healthyStatus).toBe('streaming');
  expect(harm.framesPerSecond).toBeGreaterThan(0);
  expect(harm.hostGrowthBytes).toBeLessThan(200 * 2 ** 20);
  expect(harm.codes.filter((code) => !FAIR_CODES.has(code))).toEqual([]);
  expect(harm.deleted).toBe(204);
});
