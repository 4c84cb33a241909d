import { beforeEach, describe, expect, it } from 'vitest';

import { testControl } from '../../helpers/session-fakes.js';

import type { ControlPolicy, ResolvedControlOptions } from '../../../src/options/control-options.js';
import { controlOptions } from '../../../src/options/control-options.js';
import { ControlGroup, type ControlMember } from '../../../src/input/control-group.js';
import { codeOf } from '../../helpers/session-harness.js';

let told: string[];

beforeEach(() => {
  told = [];
});

function group(options: Partial<ResolvedControlOptions> = {}): ControlGroup<ControlMember> {
  return new ControlGroup(
    'stream',
    { ...testControl, ...options },
    {
      onRole: ({ publicId }, role) => void told.push(`${publicId} ${role}`),
      onController: (publicId) => void told.push(`now ${publicId}`),
      onAsked: ({ publicId }, by) => void told.push(`${publicId} asked by ${by.publicId}`),
    },
  );
}

function member(
  publicId: string,
  permittedRole: ControlMember['permittedRole'] = 'controller',
): ControlMember {
  return { publicId, permittedRole, callerContext: { user: publicId } };
}

describe('control', () => {
  it('is given to the first that may have it, and passed on to who has waited longest', async () => {
    const control = group();
    const [never, a, b, c] = [member('never', 'viewer'), member('a'), member('b'), member('c')];
    for (const one of [never, a, b, c]) control.join(one);
    expect(control.controllerId).toBe('a');
    await control.request(c);
    await control.request(b);
    expect(await codeOf(() => control.request(never))).toBe('forbidden');
    control.leave(a);
    expect(control.controllerId).toBe('c');
    control.release(c);
    expect(control.controllerId).toBe('b');
    control.leave(b);
    expect(control.controllerId).toBeNull();
    await control.request(c);
    expect(told).toEqual([
      ...['a controller', 'now a', 'a asked by c', 'a asked by b', 'c controller', 'now c'],
      ...['c viewer', 'b controller', 'now b', 'now null', 'c controller', 'now c'],
    ]);
  });

  it('of the application is taken over by a person at once, and comes back', async () => {
    const control = group({ policy: 'automation' });
    const [automation, a, b] = [member('automation'), member('a'), member('b')];
    for (const one of [a, automation, b]) control.join(one);
    expect(control.controllerId).toBe('automation');
    await control.request(a);
    expect(control.controllerId).toBe('a');
    // Persons come before the application.
    await control.request(b);
    control.release(a);
    expect(control.controllerId).toBe('b');
    await control.request(automation);
    control.leave(b);
    expect(control.controllerId).toBe('automation');
    control.release(automation);
    expect(control.controllerId).toBeNull();
    await control.request(a);
    control.give(a, automation);
    expect(told).toEqual([
      ...['automation controller', 'now automation', 'automation viewer', 'a controller', 'now a'],
      ...['a asked by b', 'a viewer', 'b controller', 'now b', 'b asked by automation'],
      ...['automation controller', 'now automation', 'automation viewer', 'now null'],
      ...['a controller', 'now a', 'a viewer', 'automation controller', 'now automation'],
    ]);
  });

  it.each(['first', 'automation'] as const)(
    'that the application lends comes back when a viewer has had it (policy %s)',
    async (policy) => {
      const control = group({ policy });
      const [automation, a, b] = [member('automation'), member('a'), member('b')];
      control.join(automation);
      control.lend(automation);
      expect(control.controllerId).toBeNull();
      await control.request(a);
      await control.request(b);
      control.release(a);
      control.release(b);
      expect(control.controllerId).toBe('automation');
    },
  );

  it('is given by who has it, to one that may have it', async () => {
    const control = group();
    const [never, a, b] = [member('never', 'viewer'), member('a'), member('b')];
    for (const one of [never, a, b]) control.join(one);
    expect(await codeOf(() => control.give(b, a))).toBe('forbidden');
    expect(await codeOf(() => control.give(a, never))).toBe('forbidden');
    control.give(a, a);
    expect(control.controllerId).toBe('a');
    control.give(a, b);
    expect(told.slice(2)).toEqual(['a viewer', 'b controller', 'now b']);
  });

  it('is no longer waited for by who takes the request back, or goes', async () => {
    const control = group();
    const [a, b, c] = [member('a'), member('b'), member('c')];
    for (const one of [a, b, c]) control.join(one);
    await control.request(b);
    await control.request(c);
    control.release(b);
    control.leave(c);
    control.leave(a);
    expect(control.controllerId).toBeNull();
  });

  it('is nobody’s where the policy is none', async () => {
    const control = group({ policy: 'none' });
    const a = member('a');
    control.join(a);
    expect(await codeOf(() => control.request(a))).toBe('forbidden');
    expect(told).toEqual([]);
  });

  it('is everybody’s where it is shared', async () => {
    const control = group({ shared: true });
    const [never, a, b] = [member('never', 'viewer'), member('a'), member('b')];
    for (const one of [never, a, b]) control.join(one);
    expect(control.controllers()).toEqual([a, b]);
    control.release(a);
    expect(control.controllerId).toBe('b');
    await control.request(a);
    expect(control.controllers()).toEqual([b, a]);
  });

  it('goes by what the application says, also against who has it', async () => {
    const asked: unknown[] = [];
    const policy: ControlPolicy = (request) => {
      asked.push(request);
      return Promise.resolve(request.publicId !== 'a' || request.controllerId === null);
    };
    const control = group({ policy });
    const [a, b] = [member('a'), member('b')];
    control.join(a);
    control.join(b);
    expect(control.controllerId).toBeNull();
    await control.request(a);
    await control.request(b);
    expect(control.controllerId).toBe('b');
    expect(await codeOf(() => control.request(a))).toBe('forbidden');
    expect(asked[1]).toEqual({
      streamId: 'stream',
      publicId: 'b',
      callerContext: { user: 'b' },
      controllerId: 'a',
    });
    expect(told).toEqual(['a controller', 'now a', 'a viewer', 'b controller', 'now b']);
  });

  it('is not given to one that went while the application thought', async () => {
    let answer: (isGranted: boolean) => void = () => undefined;
    const control = group({ policy: () => new Promise((resolve) => (answer = resolve)) });
    const a = member('a');
    control.join(a);
    const requested = control.request(a);
    control.leave(a);
    answer(true);
    await requested;
    expect(control.controllerId).toBeNull();
  });
});

describe('the option control', () => {
  it('has defaults, and takes a function', () => {
    const policy = (): boolean => true;
    expect(controlOptions({}, 'control')).toMatchObject({
      policy: 'first',
      shared: false,
      browserShortcuts: [],
      clipboard: 'copy',
      clipboardImages: false,
    });
    expect(controlOptions({ policy, shared: true }, 'control')).toMatchObject({ policy, shared: true });
  });

  it.each([
    [null],
    [{ policy: 'last' }],
    [{ shared: 1 }],
    [{ clipboardImages: 1 }],
    [{ polcy: 'first' }],
    [{ policy: null }],
  ])('refuses %j', async (value) => {
    expect(await codeOf(() => controlOptions(value, 'control'))).toBe('bad_option');
  });
});
