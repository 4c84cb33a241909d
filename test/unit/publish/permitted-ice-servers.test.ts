import { expect, it } from 'vitest';

import { permittedServers } from '../../../src/publish/permitted-ice-servers.js';
import { VirtualClock } from '../../helpers/virtual-clock.js';

const ADDRESSES: Readonly<Record<string, string>> = {
  'turn.example': '192.0.2.7',
  'six.example': '2001:db8::7',
};

/** Resolves names as a policy permits them, and addresses to themselves. */
const client = {
  addressOf: (host: string): Promise<string> =>
    host.endsWith('.internal') ? Promise.reject(new Error('no')) : Promise.resolve(ADDRESSES[host] ?? host),
};

it('leaves nothing to be resolved a second time of the servers that an endpoint names', async () => {
  const login = { username: 'u', credential: 'c' };
  const clock = new VirtualClock();
  const named = [
    'stun:turn.example',
    'turn:turn.example:3479',
    'turn:six.example?transport=tcp',
    'turn:host.internal',
    'turns:turn.example:443?transport=tcp',
    'turns:192.0.2.9:443',
    'turns:[2001:db8::9]',
    'stuns:turn.example',
  ].map((urls) => ({ urls, ...login }));
  expect(await permittedServers(named, client, clock)).toEqual(
    [
      'stun:192.0.2.7:3478',
      'turn:192.0.2.7:3479',
      'turn:[2001:db8::7]:3478?transport=tcp',
      'turns:192.0.2.9:443',
      'turns:[2001:db8::9]:5349',
    ].map((urls) => ({ urls, ...login })),
  );
  expect(clock.pendingTimers).toBe(0);
});

it('waits for a name only for a while', async () => {
  const clock = new VirtualClock();
  const silent = {
    addressOf: (_host: string, _port: number, signal: AbortSignal): Promise<string> =>
      new Promise((_resolve, reject) =>
        signal.addEventListener('abort', () => reject(signal.reason as Error)),
      ),
  };
  const permitted = permittedServers([{ urls: 'turn:turn.example' }], silent, clock);
  await clock.advance(3000);
  expect(await permitted).toEqual([]);
});
