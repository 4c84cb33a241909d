import { beforeEach, describe, expect, it } from 'vitest';

import { StreamKitError } from '../../../src/base/errors.js';
import { Admission, SESSION_COST } from '../../../src/session/admission.js';
import type { Session } from '../../../src/session/session.js';
import { SessionRegistry } from '../../../src/session/session-registry.js';
import { anybody, FakeParts, testRequest, testSettings } from '../../helpers/session-fakes.js';
import { codeOf } from '../../helpers/session-harness.js';
import { settle } from '../../helpers/virtual-clock.js';

let parts: FakeParts;
let registry: SessionRegistry;
let errors: [message: string, streamId: string][];

beforeEach(() => {
  parts = new FakeParts();
  errors = [];
  registry = new SessionRegistry({
    parts,
    settings: testSettings,
    admission: new Admission({ maxSessions: 2, machine: parts.machine, clock: parts.clock }),
    onSessionError: (error, streamId) => void errors.push([error.message, streamId]),
  });
});

const create = (): Session => registry.create(testRequest(), anybody);

describe('SessionRegistry', () => {
  it('finds sessions under their id', async () => {
    const session = create();
    expect(registry.get(session.streamId)).toBe(session);
    expect(await codeOf(() => registry.get('other'))).toBe('no_such_session');
  });

  it('takes no more than it may, and says when to ask again', () => {
    create();
    create();
    try {
      create();
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(StreamKitError);
      expect(error).toMatchObject({ code: 'at_capacity', status: 429, headers: { 'Retry-After': '5' } });
    }
    expect(parts.launches).toHaveLength(2);
  });

  it('refuses a page while memory is short, and says so', () => {
    parts.machine.availableBytes = SESSION_COST.memoryBytes - 1;
    expect(registry.hasRoom).toBe(false);
    try {
      create();
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({
        code: 'at_capacity',
        status: 503,
        message: 'The server has too little free memory for one more session',
        headers: { 'Retry-After': '10' },
      });
    }
    parts.machine.availableBytes = SESSION_COST.memoryBytes;
    expect(registry.hasRoom).toBe(true);
    create();
    // The one that is launching does not yet show what it takes.
    expect(registry.hasRoom).toBe(false);
  });

  it('has room again only when everything of a deleted session is gone', async () => {
    let release: () => void = () => undefined;
    parts.closeCapture = () => new Promise((resolve) => (release = resolve));
    const session = create();
    parts.launches[0]?.succeed();
    create();
    await settle();
    const deleting = registry.end(registry.get(session.streamId), 'deleted');
    await settle();
    expect(await codeOf(create)).toBe('at_capacity');
    release();
    await deleting;
    expect(await codeOf(create)).toBe('nothing was thrown');
  });

  it('deletes a session once, and forgets it', async () => {
    const { streamId } = create();
    await Promise.all([
      registry.end(registry.get(streamId), 'deleted'),
      registry.end(registry.get(streamId), 'deleted'),
    ]);
    expect(await codeOf(() => registry.get(streamId))).toBe('no_such_session');
    expect(await codeOf(() => registry.end(registry.get(streamId), 'deleted'))).toBe('no_such_session');
    expect(parts.clock.pendingTimers).toBe(0);
  });

  it('keeps a session that failed for a while, without it taking a place', async () => {
    const { streamId } = create();
    parts.launches[0]?.fail(new StreamKitError('browser_not_found', 'No Chromium was found'));
    await settle();
    expect(errors).toEqual([['No Chromium was found', streamId]]);
    create();
    create();
    await parts.clock.advance(29_999);
    expect(registry.get(streamId).state.status).toBe('error');
    await parts.clock.advance(1);
    expect(await codeOf(() => registry.get(streamId))).toBe('no_such_session');
  });

  it('deletes a session that failed', async () => {
    const { streamId } = create();
    parts.launches[0]?.fail(new Error('x'));
    await settle();
    await registry.end(registry.get(streamId), 'deleted');
    expect(await codeOf(() => registry.get(streamId))).toBe('no_such_session');
    expect(parts.clock.pendingTimers).toBe(0);
  });

  it('forgets a session that timed out', async () => {
    const { streamId } = create();
    parts.launches[0]?.succeed();
    await parts.clock.advance(testSettings.sessionTimeout);
    expect(await codeOf(() => registry.get(streamId))).toBe('no_such_session');
    expect(parts.clock.pendingTimers).toBe(0);
  });

  it('keeps the others when one fails', async () => {
    const first = create();
    const second = create();
    for (const launch of parts.launches) launch.succeed();
    await settle();
    parts.launches[0]?.listener.onEnded(new StreamKitError('browser_crashed', 'Gone'));
    await settle();
    expect([first.state.status, second.state.status]).toEqual(['error', 'connecting']);
  });

  it('closes everything and takes nothing after that', async () => {
    create();
    const failed = create();
    parts.launches[0]?.succeed();
    parts.launches[1]?.fail(new Error('x'));
    await settle();
    await registry.close();
    await registry.close();
    expect(parts.events).toContain('capture closed');
    expect(await codeOf(() => registry.get(failed.streamId))).toBe('no_such_session');
    expect(parts.clock.pendingTimers).toBe(0);
    try {
      create();
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({ code: 'at_capacity', status: 503 });
    }
  });
});
