import { expect, it } from 'vitest';

import { checkHost, terminalOffer } from '../../../src/demo/host-access.js';

const terminal = { enabled: true, maxCols: 120 };

it('pages are told of terminals where there are any', () => {
  expect(terminalOffer({})).toBeNull();
  expect(terminalOffer({ terminal: { enabled: false } })).toBeNull();
  expect(terminalOffer({ terminal })).toEqual({ maxCols: 120, maxRows: 200 });
});

it('the server listens for other machines only with validateRequest or allowAnonymous', () => {
  for (const host of ['127.0.0.1', '127.1.2.3', '::1', 'localhost']) checkHost(host, {});
  for (const host of ['0.0.0.0', '::', '10.0.0.7', 'stream.example', '127.evil.example', '']) {
    expect(() => checkHost(host, {})).toThrow(/validateRequest.*--allow-anonymous/);
    expect(() => checkHost(host, { allowAnonymous: false })).toThrow('--allow-anonymous');
    checkHost(host, { validateRequest: () => ({ authorized: false }) });
    checkHost(host, { allowAnonymous: true });
  }
});
