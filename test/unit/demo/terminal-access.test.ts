import type { IncomingMessage } from 'node:http';

import { expect, it } from 'vitest';

import { checkTerminalHost, guardTerminals, terminalOffer } from '../../../src/demo/terminal-access.js';
import type { StreamKitOptions } from '../../../src/index.js';

async function statusFor(host: string | undefined, options: StreamKitOptions): Promise<number | undefined> {
  const request = { headers: { host } } as unknown as IncomingMessage;
  const result = await guardTerminals(options).validateRequest?.(request, undefined);
  return result?.authorized === true ? 200 : result?.status;
}

const terminal = { enabled: true, maxCols: 120 };

it('pages are told of terminals where there are any', () => {
  expect(terminalOffer({})).toBeNull();
  expect(terminalOffer({ terminal: { enabled: false } })).toBeNull();
  expect(terminalOffer({ terminal })).toEqual({ maxCols: 120, maxRows: 200 });
});

it('with terminals no name but localhost is answered to, for it may be anyone’s', async () => {
  for (const host of [
    '127.0.0.1:3001',
    'localhost',
    'LOCALHOST:3001',
    'a.localhost',
    '[::1]:3001',
    '10.0.0.7',
  ]) {
    expect([host, await statusFor(host, { terminal })]).toEqual([host, 200]);
  }
  const others = [
    'evil.example:3001',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    '',
    'a b',
    undefined,
  ];
  for (const host of others) expect([host, await statusFor(host, { terminal })]).toEqual([host, 403]);
});

it('who has no terminals, or decides by validateRequest, is left alone', async () => {
  expect(guardTerminals({})).toEqual({});
  const validateRequest = (): { authorized: boolean } => ({ authorized: true });
  expect(await statusFor('stream.example', { terminal, validateRequest })).toBe(200);
});

it('a shell for everyone on the network is not had by a flag', () => {
  for (const host of ['127.0.0.1', '127.1.2.3', '::1', 'localhost']) checkTerminalHost(host, {});
  for (const host of ['0.0.0.0', '::', '10.0.0.7', 'stream.example', '127.evil.example']) {
    expect(() => checkTerminalHost(host, {})).toThrow(/validateRequest/);
    checkTerminalHost(host, { validateRequest: () => ({ authorized: false }) });
  }
});
