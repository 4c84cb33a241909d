import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { chromium, type BrowserContextOptions } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { systemClock } from '../../src/base/clock.js';
import { silentLogger } from '../../src/base/logger.js';
import { profileOptions } from '../../src/options/profile-options.js';
import type { ProfileState } from '../../src/profiles/profile-state.js';
import { ProfileStore } from '../../src/profiles/profile-store.js';
import type { EndedSession } from '../../src/protocol/session-usage.js';
import type { StorageState } from '../../src/protocol/storage-state.js';
import { root } from '../helpers/product.js';
import { TestServer } from '../helpers/test-server.js';

type MutableStorageState = Exclude<NonNullable<BrowserContextOptions['storageState']>, string>;

const { findBrowser } = (await import(
  join(root, 'dist', 'render', 'capture', 'browser-discovery.js')
)) as typeof import('../../src/render/capture/browser-discovery.js');

const KEY = 'a key of at least 32 bytes, for this test';

let server: TestServer;
let directory: string;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'profiles-'));
  server = await TestServer.start({
    profileDirectory: { path: directory, key: KEY },
    // The server's own: no caller gets to see it.
    page: { cookies: [{ name: 'server', value: 'its secret', httpOnly: true }] },
    validateRequest: ({ headers }) => ({ authorized: true, callerId: String(headers['x-caller']) }),
  });
});

afterAll(async () => {
  await server.close();
  rmSync(directory, { recursive: true, force: true });
});

async function ask(
  caller: string,
  method: string,
  path: string,
  body?: object,
  headers: Record<string, string> = {},
): Promise<{ status: number; json: any }> {
  const response = await fetch(`${server.origin}/stream${path}`, {
    method,
    headers: { 'x-caller': caller, 'content-type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, json: text === '' ? undefined : JSON.parse(text) };
}

/** The stored profiles of a caller, beside the server. */
function stored(caller: string, id: string) {
  const options = profileOptions({ path: directory, key: KEY }, 'profileDirectory');
  const store = new ProfileStore({ options, clock: systemClock, logger: silentLogger });
  return {
    read: () => store.readState(`id ${caller}`, id),
    write: (state: ProfileState) => store.writeState(`id ${caller}`, id, state),
  };
}

const create = (caller: string, profile: object): ReturnType<typeof ask> =>
  ask(caller, 'POST', '/', { targetUrl: server.page('mode=static'), profile });

/** Creates a session and waits for its page. */
async function pageWith(caller: string, profile: object) {
  const { status, json } = await create(caller, profile);
  expect(status).toBe(201);
  const session = server.router.sessions.get(json.streamId as string);
  await session.whenReady();
  return { id: session.id, page: await session.page() };
}

/** What the page has stored, by kind. */
const STORED = `(async () => {
  const opening = indexedDB.open('own', 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore('own');
  await new Promise((resolve, reject) => Object.assign(opening, { onsuccess: resolve, onerror: reject }));
  const reading = opening.result.transaction('own').objectStore('own').get('key');
  await new Promise((resolve) => (reading.onsuccess = resolve));
  opening.result.close();
  return { cookies: document.cookie.split('; ').sort(), local: localStorage.key0, database: reading.result };
})()`;
const WRITE = `(async () => {
  document.cookie = 'session=one';
  document.cookie = 'lasting=two; max-age=86400';
  localStorage.key0 = 'three';
  const opening = indexedDB.open('own', 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore('own');
  await new Promise((resolve, reject) => Object.assign(opening, { onsuccess: resolve, onerror: reject }));
  const writing = opening.result.transaction('own', 'readwrite');
  writing.objectStore('own').put({ four: new Uint8Array(100_000).fill(4) }, 'key');
  await new Promise((resolve) => (writing.oncomplete = resolve));
  opening.result.close();
})()`;

/** What Playwright makes of it, in a browser of its own. */
async function throughPlaywright(storageState: StorageState): Promise<StorageState> {
  const browser = await chromium.launch({ executablePath: await findBrowser(), args: ['--no-sandbox'] });
  try {
    const context = await browser.newContext({ storageState: storageState as MutableStorageState });
    return await context.storageState();
  } finally {
    await browser.close();
  }
}

test('a profile outlives its session: cookies of both kinds, local storage, IndexedDB', async () => {
  const { id, page } = await pageWith('ann', { id: 'one', save: true });
  await page.evaluate(WRITE);
  const refused = await create('ann', { id: 'one', save: true });
  expect([refused.status, refused.json.error.code]).toEqual([409, 'profile_in_use']);
  // Not stored yet: there is nothing to begin with.
  expect((await create('ann', { id: 'one' })).json.error.code).toBe('no_such_profile');
  const prefer = { prefer: 'return=representation' };
  const ended = (await ask('ann', 'DELETE', `/${id}`, undefined, prefer)).json as EndedSession;
  expect(ended.profile).toEqual({ id: 'one', save: true, saved: true });

  const { profiles } = (await ask('ann', 'GET', '/profiles')).json;
  expect(profiles).toEqual([
    expect.objectContaining({ id: 'one', inUse: false, bytes: expect.any(Number) as number }),
  ]);
  expect((await ask('bob', 'GET', '/profiles')).json.profiles).toEqual([]);
  for (const [method, path, body] of [
    ['DELETE', '/profiles/one', undefined],
    ['POST', '/', { targetUrl: server.page('mode=static'), profile: { id: 'one' } }],
  ] as const) {
    const { status, json } = await ask('bob', method, path, body);
    expect([status, json.error.code]).toEqual([404, 'no_such_profile']);
  }

  const exported = (await ask('ann', 'GET', '/profiles/one/storage-state')).json as StorageState;
  expect(exported.origins).toEqual([
    { origin: server.origin, localStorage: [{ name: 'key0', value: 'three' }] },
  ]);
  expect(exported.cookies.map(({ name, value, expires }) => [name, value, expires > 0]).sort()).toEqual([
    ['lasting', 'two', true],
    ['session', 'one', false],
  ]);
  const put = await ask('bob', 'PUT', '/profiles/copy/storage-state', await throughPlaywright(exported));
  expect(put.status).toBe(204);
  // What a user has permitted the page.
  const geolocation = { [`${server.origin},*`]: { setting: 1 } };
  const imported = await stored('bob', 'copy').read();
  await stored('bob', 'copy').write({ ...imported, permissions: { geolocation } });

  const [snapshot, writer, copy] = await Promise.all([
    pageWith('ann', { id: 'one' }),
    pageWith('ann', { id: 'one', save: true }),
    pageWith('bob', { id: 'copy', save: true }),
  ]);
  expect(await copy.page.evaluate('[document.cookie.length, localStorage.key0]')).toEqual([24, 'three']);
  const permission = `navigator.permissions.query({ name: 'geolocation' }).then(({ state }) => state)`;
  expect(await copy.page.evaluate(permission)).toBe('granted');
  expect((await ask('bob', 'DELETE', `/${copy.id}`)).status).toBe(204);
  expect((await stored('bob', 'copy').read()).permissions).toMatchObject({ geolocation });
  expect((await ask('bob', 'DELETE', '/profiles/copy')).status).toBe(204);
  for (const session of [snapshot, writer]) {
    const { database, ...stored } = (await session.page.evaluate(STORED)) as Record<string, unknown>;
    expect(stored).toEqual({ cookies: ['lasting=two', 'session=one'], local: 'three' });
    expect((database as { four: object }).four).toMatchObject({ 0: 4, 99_999: 4 });
  }
  await snapshot.page.evaluate(`localStorage.key0 = 'changed'`);
  expect((await ask('ann', 'DELETE', '/profiles/one')).json.error.code).toBe('profile_in_use');
  const [lost, kept] = await Promise.all(
    [snapshot, writer].map((session) => ask('ann', 'DELETE', `/${session.id}`, undefined, prefer)),
  );
  expect(lost?.json.profile).toEqual({ id: 'one', save: false, saved: null });
  expect(kept?.json.profile).toEqual({ id: 'one', save: true, saved: true });

  expect((await ask('ann', 'DELETE', '/profiles/one')).status).toBe(204);
  expect((await ask('ann', 'GET', '/profiles')).json.profiles).toEqual([]);
  const left = readdirSync(directory, { recursive: true, withFileTypes: true });
  expect(left.filter((entry) => entry.isFile())).toEqual([]);
});
