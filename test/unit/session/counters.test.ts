import { expect, it } from 'vitest';

import { Counters } from '../../../src/session/counters.js';

it('adds up what is open and what was closed, each once', () => {
  const ledger = new Counters<'sent' | 'lost'>(['sent', 'lost']);
  const first = { sent: 1, lost: 0 };
  const closeFirst = ledger.open(() => first);
  ledger.open(() => ({ sent: 10, lost: 2 }));
  expect([ledger.size, ledger.read()]).toEqual([2, { sent: 11, lost: 2 }]);
  first.sent = 5;
  closeFirst();
  first.sent = 100;
  closeFirst();
  expect([ledger.size, ledger.read()]).toEqual([1, { sent: 15, lost: 2 }]);
  expect(ledger.read()).toEqual({ sent: 15, lost: 2 });
});
