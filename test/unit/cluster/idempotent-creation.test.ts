import { createSecretKey, randomBytes } from 'node:crypto';

import { expect, it } from 'vitest';

import { IdempotentCreation } from '../../../src/cluster/idempotent-creation.js';
import type { RouteCall } from '../../../src/http/route-handler.js';
import { anybody } from '../../helpers/session-fakes.js';

it('tells a client of its session also if the key cannot be kept', async () => {
  const abandoned: string[] = [];
  const creation = new IdempotentCreation({
    directory: {
      reserve: () => Promise.resolve({ state: 'reserved' }),
      settle: () => Promise.reject(new Error('away')),
      abandon: (key) => Promise.resolve(void abandoned.push(key)),
    },
    secret: createSecretKey(randomBytes(32)),
    createdBefore: () => Promise.reject(new Error('not asked')),
  });
  const call = { request: { headers: {} }, caller: anybody } as unknown as RouteCall;
  const created = { status: 201, headers: { Location: '/stream/one' }, body: '' };
  expect(await creation.answer('key', call, {}, () => Promise.resolve(created))).toBe(created);
  // Its session may be there: another one must not be made at once.
  expect(abandoned).toEqual([]);
});
