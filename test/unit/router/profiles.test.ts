import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { type IncomingMessage, request as httpRequest, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { StreamKitError } from '../../../src/base/errors.js';
import { ProfileStore } from '../../../src/profiles/profile-store.js';
import { storeProfile } from '../../../src/render/capture/stored-profile.js';
import type { StreamKitOptions } from '../../../src/options/stream-kit-options.js';
import type { RouterServer } from '../../helpers/router-server.js';
import { ask, postJson, serveRouter } from '../../helpers/router-server.js';
import { settle } from '../../helpers/virtual-clock.js';

const PAGE = { targetUrl: 'https://game.example.org/' };
const ANN = { 'x-caller': 'ann' };
const BOB = { 'x-caller': 'bob' };
const STATE = {
  cookies: [
    {
      ...{ name: 'sid', value: 'one', domain: 'game.example.org', path: '/', expires: -1 },
      ...{ httpOnly: true, secure: true, sameSite: 'Lax' },
    },
  ],
  origins: [{ origin: 'https://game.example.org', localStorage: [{ name: 'a', value: 'b' }] }],
};

let root: string;
let server: RouterServer;

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'profiles-'));
  await serve({
    profileDirectory: { path: join(root, 'stored'), key: 'x'.repeat(32) },
    validateRequest: ({ headers }) => ({ authorized: true, callerId: String(headers['x-caller']) }),
  });
});

afterEach(async () => {
  await server.close();
  rmSync(root, { recursive: true, force: true });
});

async function serve(options: StreamKitOptions): Promise<void> {
  server = await serveRouter(options);
  server.parts.storeProfile = (target) => storeProfile(target, root, { cookies: [], origins: [] });
}

const create = (profile: unknown, caller = ANN) => postJson(server.url, { ...PAGE, profile }, caller);
const state = (id: string, init: RequestInit & { headers: Record<string, string> }) =>
  ask(`${server.url}/profiles/${id}/storage-state`, init);
const put = (id: string, body: unknown, caller = ANN) =>
  state(id, {
    method: 'PUT',
    headers: { 'content-type': 'application/json', ...caller },
    body: JSON.stringify(body),
  });

/** A session whose page is there. */
async function live(profile: object): Promise<string> {
  const { status, json } = await create(profile);
  expect(status).toBe(201);
  server.parts.launches.at(-1)?.succeed();
  await settle();
  return (json as { streamId: string }).streamId;
}

describe('a request with a profile', () => {
  it('is told why it failed, not that the profile could not be released', async () => {
    const lease = {
      ...{ id: 'x', save: true, source: { path: '', maxBytes: 1, mustExist: false } },
      ...{ store: () => Promise.resolve(), release: () => Promise.reject(new Error('EIO')) },
    };
    const opens = vi.spyOn(ProfileStore.prototype, 'open').mockResolvedValueOnce(lease);
    await server.close();
    await serve({ profileDirectory: join(root, 'other'), maxSessions: 1 });
    const { sessions } = server.router;
    await sessions.create(PAGE);
    const refused = sessions.create({ ...PAGE, profile: { id: 'x', save: true } }, { owner: 'ann' });
    await expect(refused).rejects.toMatchObject({ code: 'at_capacity' });
    expect(opens).toHaveBeenCalled();
    opens.mockRestore();
  });

  it.each([
    ['text', 'profile'],
    [{}, 'profile.id'],
    [{ id: '../x' }, 'profile.id'],
    [{ id: 'x', save: 'yes' }, 'profile.save'],
    [{ id: 'x', saves: true }, '"saves"'],
  ])('%j is refused: %s', async (profile, place) => {
    const { status, json } = await create(profile);
    expect([status, json.error.code]).toEqual([400, 'bad_request']);
    expect(json.error.message).toContain(place);
    expect(server.parts.launches).toEqual([]);
  });

  it('is refused to anonymous callers, and where there is no option', async () => {
    for (const options of [{ allowAnonymous: true, profileDirectory: join(root, 'other') }, {}]) {
      await server.close();
      await serve(options);
      expect((await create({ id: 'x', save: true })).json.error.code).toBe('forbidden');
    }
    await expect(server.router.profiles.list()).rejects.toThrow('There is no option profileDirectory');
  });

  it('hands the session process a key and a path of this profile alone', async () => {
    await live({ id: 'one', save: true });
    await live({ id: 'two', save: true });
    const [one, two] = server.parts.launches.map(({ parameters }) => parameters.profile);
    expect(one).toMatchObject({ mustExist: false, path: expect.stringMatching(/one\.profile$/) as string });
    expect(one?.key).not.toBe(two?.key);
    expect(one?.key).not.toBe(Buffer.from('x'.repeat(32)).toString('base64'));
  });

  it('leaves nothing held when the session is refused', async () => {
    await server.close();
    await serve({ maxSessions: 1, profileDirectory: join(root, 'stored') });
    const first = await create({ id: 'one' });
    expect(first.json.error.code).toBe('no_such_profile');
    const streamId = await live({ id: 'one', save: true });
    expect((await create({ id: 'two', save: true })).status).toBe(429);
    await server.router.sessions.get(streamId).end();
    await live({ id: 'two', save: true });
  });
});

describe('while a profile is being opened', () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it('a client that goes away leaves no session, and the profile free', async () => {
    const open = vi.spyOn(ProfileStore.prototype, 'open');
    let proceed: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (proceed = resolve));
    open.mockImplementationOnce(async function (this: ProfileStore, ...parameters) {
      await gate;
      return this.open(...parameters);
    });
    const served = once(server.server, 'request') as Promise<[IncomingMessage, ServerResponse]>;
    const client = httpRequest(server.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...ANN },
    });
    client.on('error', () => undefined);
    client.end(JSON.stringify({ ...PAGE, profile: { id: 'one', save: true } }));
    const [, response] = await served;
    await expect.poll(() => open.mock.calls.length).toBe(1);
    const closed = once(response, 'close');
    client.destroy();
    await closed;
    proceed();
    await expect.poll(async () => (await create({ id: 'one', save: true })).status).toBe(201);
    expect(server.router.sessions.list()).toHaveLength(1);
  });
});

describe('at the end of its session a profile', () => {
  it('is stored, for every reason but a failure', async () => {
    const streamId = await live({ id: 'one', save: true });
    const session = server.router.sessions.get(streamId);
    const told: unknown[] = [];
    session.on('profile', (event) => told.push(event));
    session.on('ended', () => told.push('ended'));
    await session.end('timeout');
    expect(told).toEqual([{ id: 'one', save: true, saved: true }, 'ended']);
    expect(await server.router.profiles.list({ owner: 'ann' })).toMatchObject([{ id: 'one', inUse: false }]);
    expect(server.parts.events.indexOf('capture closed')).toBeGreaterThan(0);
  });

  it.each(['capture_stalled', 'browser_hung', 'budget_exceeded'] as const)(
    'is stored after a failure that leaves a browser: %s',
    async (code) => {
      await put('one', STATE);
      const streamId = await live({ id: 'one', save: true });
      const session = server.router.sessions.get(streamId);
      server.parts.launches[0]?.listener.onEnded(new StreamKitError(code, 'It failed'));
      await expect.poll(() => session.profile).toEqual({ id: 'one', save: true, saved: true });
      // What the fake browser has: nothing.
      await expect
        .poll(async () => (await state('one', { headers: ANN })).json)
        .toEqual({ cookies: [], origins: [] });
    },
  );

  it.each(['browser_crashed', 'out_of_memory', 'page_misbehaved'] as const)(
    'stays as it was after %s, and others may have it',
    async (failure) => {
      await put('one', STATE);
      const streamId = await live({ id: 'one', save: true });
      const session = server.router.sessions.get(streamId);
      server.parts.launches[0]?.listener.onEnded(new StreamKitError(failure, 'It failed'));
      await expect.poll(() => session.profile).toMatchObject({ saved: false, code: 'unavailable' });
      await expect.poll(async () => (await create({ id: 'one', save: true })).status).toBe(201);
      expect((await state('one', { headers: ANN })).json).toEqual(STATE);
    },
  );

  it.each([
    [new StreamKitError('too_large', 'The profile is larger than it may be'), 'too_large'],
    [new Error('of the system, with a /path'), 'profile_failed'],
  ])('stays as it was where it cannot be stored: %s', async (error, code) => {
    await put('one', STATE);
    const streamId = await live({ id: 'one', save: true });
    server.parts.storeProfile = () => Promise.reject(error);
    const { status, json } = await ask(`${server.url}/${streamId}`, {
      method: 'DELETE',
      headers: { ...ANN, prefer: 'return=representation' },
    });
    expect([status, json.profile]).toEqual([200, { id: 'one', save: true, saved: false, code }]);
    expect(JSON.stringify(json)).not.toContain('/path');
    expect((await state('one', { headers: ANN })).json).toEqual(STATE);
  });
});

describe('a storage state', () => {
  it('comes back as it was stored, to its caller alone', async () => {
    expect((await put('one', STATE)).status).toBe(204);
    expect((await state('one', { headers: ANN })).json).toEqual(STATE);
    expect((await state('one', { headers: BOB })).json.error.code).toBe('no_such_profile');
    expect(await server.router.profiles.storageState('one', { owner: 'ann' })).toEqual(STATE);
    expect(readdirSync(join(root, 'stored'))).toHaveLength(1);
  });

  it('is refused where it is none, while the profile is in use, or under a name that is none', async () => {
    expect((await put('one', { cookies: 7 })).json.error.code).toBe('bad_request');
    expect((await put('a.b', STATE)).json.error.code).toBe('bad_request');
    await live({ id: 'one', save: true });
    expect((await put('one', STATE)).json.error.code).toBe('profile_in_use');
    expect((await put('one', STATE, BOB)).status).toBe(204);
  });
});
