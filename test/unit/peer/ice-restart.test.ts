import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { classes, Message, methods } from 'werift';

import { keepGenerationsApart } from '../../../src/peer/ice/ice-generation.js';
import { WeriftConnection } from '../../../src/peer/werift/werift-connection.js';
import type { IceConnectionInternals } from '../../../src/peer/werift/werift-ice-connection.js';

/** Of an early check a viewer sends many, while its answer is on its way. */
const EARLY_CHECKS = 256;

let connection: WeriftConnection;
let ice: IceConnectionInternals;

beforeEach(async () => {
  connection = new WeriftConnection('127.0.0.1');
  const { iceTransport } = connection;
  delete iceTransport.connection.stunServer;
  ice = iceTransport.connection as unknown as IceConnectionInternals;
  keepGenerationsApart(ice);
  await offer();
});

afterEach(async () => {
  await connection.close();
});

async function offer(iceRestart = false): Promise<void> {
  await connection.describe(iceRestart);
  await connection.gather();
}

function check(localUsername: string): Message {
  return new Message(methods.BINDING, classes.REQUEST)
    .setAttribute('USERNAME', `${localUsername}:them`)
    .setAttribute('PRIORITY', 1)
    .setAttribute('ICE-CONTROLLED', 1n);
}

/** Whether werift answers it. */
function isAnswered(localUsername: string): boolean {
  const { filterStunResponse: filter } = connection.iceTransport.connection.options as unknown as {
    filterStunResponse: (request: Message, from: readonly [string, number]) => boolean;
  };
  return filter(check(localUsername), ['127.0.0.1', 5000]);
}

describe('an ICE restart', () => {
  it('answers checks under the names of before, and makes no pairs of them', async () => {
    const before = ice.localUsername;
    expect(isAnswered(before)).toBe(true);
    await offer(true);
    ice.setRemoteParams({ iceLite: false, usernameFragment: 'them', password: 'a-password-of-the-viewer' });
    expect(isAnswered(before)).toBe(true);
    const [protocol] = ice.protocols;
    ice.checkIncoming(check(before), ['127.0.0.1', 5000], protocol);
    expect(ice.candidatePairs).toEqual([]);
    expect(protocol?.localCandidate?.ufrag).toBe(ice.localUsername);
    ice.checkIncoming(check(ice.localUsername), ['127.0.0.1', 5001], protocol);
    expect(ice.candidatePairs.map(({ remoteAddr }) => remoteAddr)).toEqual([['127.0.0.1', 5001]]);
  });

  it('takes as many checks before the answer as the first offer does', async () => {
    const taken = (): number =>
      Array.from({ length: 300 }, () => isAnswered(ice.localUsername)).filter(Boolean).length;
    expect(taken()).toBe(EARLY_CHECKS);
    await offer(true);
    expect(taken()).toBe(EARLY_CHECKS);
  });
});
