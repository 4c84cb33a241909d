import { createSecretKey } from 'node:crypto';

import { describe, expect, it } from 'vitest';

import { CallerPassports, PASSPORT_HEADER } from '../../../src/cluster/caller-passport.js';
import type { Caller } from '../../../src/session/caller.js';
import { codeOf } from '../../helpers/session-harness.js';
import { VirtualClock } from '../../helpers/virtual-clock.js';

const clock = new VirtualClock();

function passports(nodeId: string, secret = 'the secret of all nodes'): CallerPassports {
  return new CallerPassports({ key: createSecretKey(Buffer.from(secret)), nodeId, clock });
}

const ANN: Caller = {
  key: 'id ann',
  id: 'ann',
  role: 'owner',
  limits: { maxSessions: 2 },
  context: { tenant: 'one' },
};
const READ = { method: 'GET', path: '/one', query: new URLSearchParams('a=1') };

describe('what a node says of the caller of a request', () => {
  const here = passports('here');

  function issue(caller = ANN, request = READ, to = 'there'): string {
    return here.issue(caller, request, to, '/mount');
  }

  function check(passport: string | undefined, request = READ, node = passports('there')): unknown {
    return node.check({ ...request, headers: { [PASSPORT_HEADER]: passport } });
  }

  it('is what the other node sees', () => {
    expect(check(issue())).toEqual({ caller: ANN, prefix: '/mount' });
    const anonymous: Caller = {
      ...{ key: 'address ::1', id: undefined, role: 'viewer', limits: {}, context: undefined },
      ...{ anonymous: true, scoped: true },
    };
    expect(check(issue(anonymous))).toEqual({ caller: anonymous, prefix: '/mount' });
    expect(check(undefined)).toBeUndefined();
  });

  it('is good for one request at one node', async () => {
    const passport = issue();
    for (const other of [
      { ...READ, method: 'DELETE' },
      { ...READ, path: '/two' },
      { ...READ, query: new URLSearchParams('a=2') },
    ]) {
      expect(await codeOf(() => check(passport, other))).toBe('forbidden');
    }
    expect(await codeOf(() => check(passport, READ, passports('elsewhere')))).toBe('forbidden');
    expect(await codeOf(() => check(passport, READ, passports('there', 'another secret')))).toBe('forbidden');
    expect(await codeOf(() => check(`${passport.slice(0, -1)}${passport.endsWith('A') ? 'B' : 'A'}`))).toBe(
      'forbidden',
    );
  });

  it('is good once', async () => {
    const there = passports('there');
    const passport = issue();
    check(passport, READ, there);
    expect(await codeOf(() => check(passport, READ, there))).toBe('forbidden');
    check(issue(), READ, there);
  });

  it('is good for 30 s', async () => {
    const passport = issue();
    await clock.advance(29_999);
    check(passport);
    await clock.advance(1);
    expect(await codeOf(() => check(passport))).toBe('forbidden');
  });

  it('leaves out a context that does not fit into a header', () => {
    const large = { ...ANN, context: { text: 'x'.repeat(10_000) } };
    expect(check(issue(large))).toEqual({ caller: { ...ANN, context: undefined }, prefix: '/mount' });
    const circular: Record<string, unknown> = {};
    circular.self = circular;
    expect(check(issue({ ...ANN, context: circular }))).toEqual({
      caller: { ...ANN, context: undefined },
      prefix: '/mount',
    });
  });
});
