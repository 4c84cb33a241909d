import { expect, it } from 'vitest';

import { cleanUp } from '../../../src/base/clean-up.js';
import { type Logger, silentLogger } from '../../../src/base/logger.js';

it('a clean-up that fails is logged, and one that works is not', async () => {
  const lines: unknown[] = [];
  const logger: Logger = { ...silentLogger, debug: (context, message) => lines.push([context, message]) };
  await cleanUp(undefined, 'nothing', logger);
  await cleanUp(Promise.resolve('done'), 'a folder', logger);
  expect(lines).toEqual([]);
  const err = new Error('EBUSY');
  await cleanUp(Promise.reject(err), 'a folder', logger);
  expect(lines).toEqual([[{ err, what: 'a folder' }, 'something could not be cleaned up']]);
});
