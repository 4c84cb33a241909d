import { expect, it } from 'vitest';

import { silentLogger } from '../../../src/base/logger.js';
import { SessionObservers } from '../../../src/session/session-observers.js';

it('logs an observer that throws, and tells the next ones all the same', () => {
  const logged: object[] = [];
  const told: string[] = [];
  const logger = { ...silentLogger, error: (context: object) => void logged.push(context) };
  const error = new Error('x');
  const observers = new SessionObservers((name) => void told.push(`last: ${name}`), logger);
  observers.add(() => {
    throw error;
  });
  observers.add((name) => void told.push(name));
  observers.observe('session:create', { streamId: 'a' });
  expect(logged).toEqual([{ err: error, event: 'session:create' }]);
  expect(told).toEqual(['session:create', 'last: session:create']);
});
