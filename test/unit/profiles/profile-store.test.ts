import { randomBytes } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { silentLogger } from '../../../src/base/logger.js';
import { processNamespace } from '../../../src/base/process-table.js';
import { profileOptions } from '../../../src/options/profile-options.js';
import type { ProfileLease, ProfileSource } from '../../../src/profiles/profile-lease.js';
import { ProfileStore } from '../../../src/profiles/profile-store.js';
import { restoreProfile, storeProfile } from '../../../src/render/capture/stored-profile.js';
import { VirtualClock } from '../../helpers/virtual-clock.js';

const MIB = 1024 * 1024;
const ORIGIN = 'Local Storage/leveldb/000003.log';
const OWNER = 'id ann';

let root: string;
let directory: string;
let clock: VirtualClock;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'profiles-'));
  directory = join(root, 'stored');
  clock = new VirtualClock();
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

const storeWith = (options: object = {}): ProfileStore =>
  new ProfileStore({
    options: profileOptions({ path: directory, ...options }, 'profileDirectory'),
    clock,
    logger: silentLogger,
  });

/** A browser's folder with these files below `Default`. */
function browserFolder(files: Readonly<Record<string, string | Buffer>>): string {
  const folder = mkdtempSync(join(root, 'browser-'));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, 'Default', name)), { recursive: true });
    writeFileSync(join(folder, 'Default', name), content);
  }
  return folder;
}

const cookie = {
  ...{ name: 'sid', value: 'secret-value', domain: 'game.example.org', path: '/', session: true },
  ...{ expires: -1, size: 15, httpOnly: true, secure: true },
  ...({ priority: 'Medium', sourceScheme: 'Secure', sourcePort: 443 } as const),
};

/** Stores what a browser has left and gives the lease back. */
async function save(lease: ProfileLease, folder: string): Promise<void> {
  const { key, maxBytes } = lease.source;
  try {
    await lease.store((path) =>
      storeProfile({ path, maxBytes, ...(key === undefined ? {} : { key }) }, folder, {
        cookies: [cookie],
        origins: [],
      }),
    );
  } finally {
    await lease.release();
  }
}

async function saved(store: ProfileStore, id: string, files: Record<string, string | Buffer>): Promise<void> {
  await save(await store.open(OWNER, { id, save: true }), browserFolder(files));
}

/** What a browser would begin with, by name; and its cookies. */
async function restored(source: ProfileSource): Promise<{ files: Record<string, string>; cookies: unknown }> {
  const folder = mkdtempSync(join(root, 'restored-'));
  const { cookies } = await restoreProfile(source, folder);
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  const files = names.filter((name) => lstatSync(join(folder, name)).isFile());
  return {
    cookies,
    files: Object.fromEntries(
      files.map((name) => [name.replace('Default/', ''), readFileSync(join(folder, name), 'utf8')]),
    ),
  };
}

/** The one archive that there is. */
function archivePath(): string {
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' });
  const [name = ''] = names.filter((one) => one.endsWith('.profile'));
  return join(directory, name);
}

const code = (expected: string): object => expect.objectContaining({ code: expected }) as object;

describe.each([
  ['encrypted', { key: randomBytes(32) }],
  ['without a key', {}],
])('a profile, %s', (kind, options) => {
  it('comes back as it was stored, without caches and whatever else is not what pages store', async () => {
    const store = storeWith(options);
    const preferences = {
      profile: {
        name: 'Person 1',
        content_settings: {
          exceptions: {
            notifications: { 'https://game.example.org:443,*': { setting: 1 } },
            site_engagement: { 'https://game.example.org:443,*': { setting: { rawScore: 3 } } },
          },
        },
      },
    };
    await saved(store, 'one', {
      [ORIGIN]: 'local storage',
      'IndexedDB/https_game.example.org_0.indexeddb.leveldb/000003.log': 'database',
      'WebStorage/1/IndexedDB/x.leveldb/000003.log': 'bucket',
      'WebStorage/1/CacheStorage/index.txt': 'cache',
      'Cache/Cache_Data/data_0': 'cache',
      'Code Cache/js/index': 'cache',
      Cookies: 'sqlite',
      Preferences: JSON.stringify(preferences),
    });
    const { files, cookies } = await restored(await store.source(OWNER, 'one'));
    const { Preferences = '{}', ...others } = files;
    expect(others).toEqual({
      [ORIGIN]: 'local storage',
      'IndexedDB/https_game.example.org_0.indexeddb.leveldb/000003.log': 'database',
      'WebStorage/1/IndexedDB/x.leveldb/000003.log': 'bucket',
    });
    const { notifications } = preferences.profile.content_settings.exceptions;
    expect(JSON.parse(Preferences)).toEqual({
      profile: { content_settings: { exceptions: { notifications } } },
    });
    expect(cookies).toEqual([cookie]);
    expect(statSync(archivePath()).mode & 0o077).toBe(0);
    expect(readFileSync(archivePath()).includes('secret-value')).toBe(kind !== 'encrypted');
  });

  it.each(['the head', 'an entry', 'the trailer'])('that is cut off in %s is refused', async (where) => {
    const store = storeWith(options);
    await saved(store, 'one', { [ORIGIN]: 'x'.repeat(5000) });
    const { size } = statSync(archivePath());
    truncateSync(archivePath(), { 'the head': 5, 'an entry': 3000, 'the trailer': size - 1 }[where]);
    await expect(restored(await store.source(OWNER, 'one'))).rejects.toEqual(code('profile_failed'));
  });

  it('of which a single byte has changed is refused', async () => {
    const store = storeWith(options);
    await saved(store, 'one', { [ORIGIN]: 'x'.repeat(300) });
    const intact = readFileSync(archivePath());
    for (let at = 0; at < intact.byteLength; at += 7) {
      const changed = Buffer.from(intact);
      changed[at] = (changed[at] ?? 0) ^ 1;
      writeFileSync(archivePath(), changed);
      await expect(restored(await store.source(OWNER, 'one'))).rejects.toEqual(code('profile_failed'));
    }
  });
});

describe('the key', () => {
  const [key, other] = [randomBytes(32), randomBytes(32)];
  it.each([
    ['another one', { key }, { key: other }],
    ['none', { key }, {}],
    ['one, for a profile that was stored without', {}, { key }],
  ])('%s reads nothing', async (_what, before, after) => {
    await saved(storeWith(before), 'one', { [ORIGIN]: 'local storage' });
    const reading = restored(await storeWith(after).source(OWNER, 'one'));
    await expect(reading).rejects.toEqual(code('profile_failed'));
  });

  it('of one profile does not open the archive of another one', async () => {
    const store = storeWith({ key });
    await saved(store, 'one', { [ORIGIN]: 'local storage' });
    const { path } = await store.source(OWNER, 'one');
    for (const [owner, id] of [
      ['id bob', 'one'],
      [OWNER, 'two'],
    ] as const) {
      await save(await store.open(owner, { id, save: true }), browserFolder({}));
      const source = await store.source(owner, id);
      await expect(restored({ ...source, path })).rejects.toEqual(code('profile_failed'));
    }
  });

  it.each([randomBytes(31), 'short', 7])('%s is refused, and not shown', (bad) => {
    expect(() => storeWith({ key: bad })).toThrow(/^Expected string or Uint8Array of at least 32 bytes/);
  });
});

describe('an id', () => {
  it.each(['', '.', '..', '../one', 'a/b', 'a\0b', 'a.profile', 'ä', 'x'.repeat(65), '/etc/passwd'])(
    '%j is none: nothing is made, read or removed',
    async (id) => {
      const store = storeWith();
      await expect(store.open(OWNER, { id, save: true })).rejects.toEqual(code('bad_request'));
      await expect(store.source(OWNER, id)).rejects.toEqual(code('no_such_profile'));
      await expect(store.remove(OWNER, id)).rejects.toEqual(code('no_such_profile'));
      expect(readdirSync(directory)).toEqual([]);
    },
  );

  it('names a profile of its owner alone', async () => {
    const store = storeWith();
    await saved(store, 'one', { [ORIGIN]: 'of ann' });
    expect(await store.list(OWNER)).toEqual([
      { id: 'one', bytes: statSync(archivePath()).size, savedAt: expect.any(Number) as number, inUse: false },
    ]);
    for (const owner of ['id bob', 'unnamed', 'application', 'id ../id ann', 'id ann\0']) {
      expect(await store.list(owner)).toEqual([]);
      await expect(store.open(owner, { id: 'one', save: false })).rejects.toEqual(code('no_such_profile'));
      await expect(store.remove(owner, 'one')).rejects.toEqual(code('no_such_profile'));
    }
    await store.remove(OWNER, 'one');
    expect(await store.list(OWNER)).toEqual([]);
  });
});

describe('the lock', () => {
  it('admits one writer and any number of readers', async () => {
    const store = storeWith();
    await saved(store, 'one', { [ORIGIN]: 'first' });
    const writer = await store.open(OWNER, { id: 'one', save: true });
    const readers = await Promise.all([1, 2].map(() => store.open(OWNER, { id: 'one', save: false })));
    for (const server of [store, storeWith()]) {
      await expect(server.open(OWNER, { id: 'one', save: true })).rejects.toEqual(code('profile_in_use'));
      await expect(server.remove(OWNER, 'one')).rejects.toEqual(code('profile_in_use'));
      expect(await server.list(OWNER)).toEqual([expect.objectContaining({ inUse: true })]);
    }
    await save(writer, browserFolder({ [ORIGIN]: 'second' }));
    for (const reader of readers) await reader.release();
    await (await store.open(OWNER, { id: 'one', save: true })).release();
    expect((await restored(await store.source(OWNER, 'one'))).files).toEqual({ [ORIGIN]: 'second' });
    expect(readdirSync(dirname(archivePath()))).toEqual(['one.profile']);
    expect(clock.pendingTimers).toBe(0);
  });

  const lockWith = async (owner: string, ageMs: number): Promise<string> => {
    const store = storeWith();
    await (await store.open(OWNER, { id: 'one', save: true })).release();
    const [folder = ''] = readdirSync(directory);
    const path = join(directory, folder, 'one.profile.lock');
    writeFileSync(path, owner);
    const at = new Date(Date.now() - ageMs);
    utimesSync(path, at, at);
    return path;
  };
  const random = '0123456789abcdef';

  it.each([
    ['a process that is gone', `${processNamespace()} ${process.pid} 1 ${random}`, 0],
    ['another host that has long said nothing', `elsewhere 1 1 ${random}`, 120_000],
    ['nobody', '', 120_000],
  ])('of %s holds nobody up', async (_who, owner, ageMs) => {
    await lockWith(owner, ageMs);
    const lease = await storeWith().open(OWNER, { id: 'one', save: true });
    await expect(storeWith().open(OWNER, { id: 'one', save: true })).rejects.toEqual(code('profile_in_use'));
    await lease.release();
  });

  it('does not count for the caller, nor is kept, once its owner is gone', async () => {
    const path = await lockWith(`${processNamespace()} ${process.pid} 1 ${random}`, 0);
    const store = storeWith({ maxPerCaller: 1 });
    await (await store.open(OWNER, { id: 'two', save: true })).release();
    await expect.poll(() => existsSync(path)).toBe(false);
  });

  it('that is held keeps what another machine is writing beside it', async () => {
    const lock = await lockWith(`elsewhere 1 1 ${random}`, 0);
    const [held, lost] = ['one', 'two'].map((id) =>
      join(lock, '..', `${id}.profile.stream-kit-${process.pid}-1-${random}`),
    ) as [string, string];
    for (const partial of [held, lost]) writeFileSync(partial, '');
    storeWith();
    await expect.poll(() => existsSync(lost)).toBe(false);
    expect(existsSync(held)).toBe(true);
    expect(existsSync(lock)).toBe(true);
  });

  it('of another host that has just said that it lives is respected', async () => {
    await lockWith(`elsewhere 1 1 ${random}`, 0);
    await expect(storeWith().open(OWNER, { id: 'one', save: true })).rejects.toEqual(code('profile_in_use'));
  });

  it('that another server has taken meanwhile keeps the former owner from storing', async () => {
    const store = storeWith();
    await saved(store, 'one', { [ORIGIN]: 'first' });
    const lease = await store.open(OWNER, { id: 'one', save: true });
    const lock = `${archivePath()}.lock`;
    writeFileSync(lock, `elsewhere 1 1 ${random}`);
    await expect(save(lease, browserFolder({ [ORIGIN]: 'second' }))).rejects.toEqual(code('profile_in_use'));
    expect((await restored(await store.source(OWNER, 'one'))).files).toEqual({ [ORIGIN]: 'first' });
    expect(existsSync(lock)).toBe(true);
  });
});

describe('what is stored', () => {
  it('stays as it was when the new one fails, whatever the reason', async () => {
    const store = storeWith({ maxBytes: MIB });
    await saved(store, 'one', { [ORIGIN]: 'first' });
    const tooLarge = save(
      await store.open(OWNER, { id: 'one', save: true }),
      browserFolder({ [ORIGIN]: Buffer.alloc(MIB) }),
    );
    await expect(tooLarge).rejects.toEqual(code('too_large'));
    const lease = await store.open(OWNER, { id: 'one', save: true });
    const crashed = lease.store((path) => {
      writeFileSync(path, 'half of');
      return Promise.reject(new Error('The session process ended'));
    });
    await expect(crashed).rejects.toThrow('ended');
    await lease.release();
    expect((await restored(await store.source(OWNER, 'one'))).files).toEqual({ [ORIGIN]: 'first' });
    expect(readdirSync(dirname(archivePath()))).toEqual(['one.profile']);
  });

  it('is bounded: for all together, and in their number for each caller', async () => {
    const store = storeWith({ maxTotalBytes: MIB, maxPerCaller: 2 });
    await saved(store, 'one', { [ORIGIN]: Buffer.alloc(MIB * 0.7) });
    await expect(saved(store, 'two', { [ORIGIN]: Buffer.alloc(MIB * 0.7) })).rejects.toEqual(
      code('limit_reached'),
    );
    await saved(store, 'one', { [ORIGIN]: Buffer.alloc(MIB * 0.8) });
    await saved(store, 'two', {});
    await expect(store.open(OWNER, { id: 'three', save: true })).rejects.toEqual(code('limit_reached'));
    await (await store.open('id bob', { id: 'three', save: true })).release();
  });

  it('has no links, and nothing is written through one', async () => {
    const store = storeWith();
    const secret = join(root, 'secret');
    writeFileSync(secret, 'of the server');
    const folder = browserFolder({ [ORIGIN]: 'local storage' });
    symlinkSync(secret, join(folder, 'Default', 'Local Storage', 'leveldb', '000005.ldb'));
    symlinkSync(root, join(folder, 'Default', 'IndexedDB'));
    await save(await store.open(OWNER, { id: 'one', save: true }), folder);
    expect((await restored(await store.source(OWNER, 'one'))).files).toEqual({ [ORIGIN]: 'local storage' });

    const target = mkdtempSync(join(root, 'target-'));
    mkdirSync(join(target, 'Default', 'Local Storage', 'leveldb'), { recursive: true });
    symlinkSync(secret, join(target, 'Default', ORIGIN));
    await expect(restoreProfile(await store.source(OWNER, 'one'), target)).rejects.toEqual(
      code('profile_failed'),
    );
    expect(readFileSync(secret, 'utf8')).toBe('of the server');

    const path = archivePath();
    rmSync(path);
    symlinkSync(secret, path);
    await expect(store.source(OWNER, 'one')).rejects.toEqual(code('no_such_profile'));
  });

  it('is not read from places outside of it', async () => {
    const store = storeWith();
    await saved(store, 'one', { [ORIGIN]: 'local storage' });
    const archive = readFileSync(archivePath());
    // The length of the name stays: only a name that leads elsewhere is refused, not the digest alone.
    const name = 'Local Storage/../../000003.log00';
    expect(name).toHaveLength(ORIGIN.length);
    archive.write(name, archive.indexOf(ORIGIN));
    writeFileSync(archivePath(), archive);
    await expect(restored(await store.source(OWNER, 'one'))).rejects.toEqual(code('profile_failed'));
    const names = readdirSync(root, { recursive: true, encoding: 'utf8' });
    expect(names.filter((one) => one.endsWith('000003.log00'))).toEqual([]);
  });
});

it('what a killed server was writing is removed, and the stored one stays', async () => {
  await saved(storeWith(), 'one', { [ORIGIN]: 'first' });
  const left = `${archivePath()}.stream-kit-${process.pid}-1-0123456789abcdef`;
  writeFileSync(left, 'half of');
  storeWith();
  await expect.poll(() => existsSync(left)).toBe(false);
  expect((await restored(await storeWith().source(OWNER, 'one'))).files).toEqual({ [ORIGIN]: 'first' });
});

it('a directory that cannot be written is refused at the start', () => {
  writeFileSync(join(root, 'file'), '');
  directory = join(root, 'file', 'below');
  expect(() => storeWith()).toThrow(code('bad_option'));
});
