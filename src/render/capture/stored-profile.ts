import { constants, type Dirent } from 'node:fs';
import { lstat, mkdir, open, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import type { Protocol } from 'puppeteer';

import { asError, StreamKitError } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import { isPlainObject } from '../../options/option-checks.js';
import { ArchiveReader, ArchiveWriter, type ArchiveEntry } from '../../profiles/profile-archive.js';
import type { ProfileSource } from '../../profiles/profile-lease.js';
import {
  EMPTY_STATE,
  MAX_STATE_BYTES,
  parseProfileState,
  type ProfileState,
  STATE_ENTRY,
  type StoredCookie,
} from '../../profiles/profile-state.js';
import type { CdpSession } from './cdp-connection.js';

/** The folder of a browser's only profile. */
const DEFAULT = 'Default';
/** What pages store is in these folders of it. Caches are in others. */
const FOLDERS = ['Local Storage', 'IndexedDB', 'WebStorage'];
/** Below them: the cache of service workers, and what a database makes anew. */
const LEFT_OUT = new Set(['CacheStorage', 'Service Worker', 'LOCK', 'LOG', 'LOG.old']);
const MAX_FILES = 20_000;
const MAX_DEPTH = 8;
const MAX_PREFERENCES_BYTES = 16 * 1024 * 1024;

/** Content settings that are what a user has permitted a site, or denied. */
const PERMISSIONS = [
  'geolocation',
  'notifications',
  'media_stream_camera',
  'media_stream_mic',
  'midi',
  'midi_sysex',
  'clipboard',
  'sensors',
  'idle_detection',
  'durable_storage',
  'storage_access',
  'window_placement',
  'local_fonts',
  'background_sync',
  'vr',
  'ar',
];

/**
 * Fills the folder of a browser that has not started yet.
 *
 * @throws StreamKitError `no_such_profile`, `profile_failed`.
 */
export async function restoreProfile(source: ProfileSource, directory: string): Promise<ProfileState> {
  const { path, maxBytes, mustExist } = source;
  const reader = await ArchiveReader.open(path, keyOf(source), maxBytes);
  if (reader === undefined) {
    if (mustExist) throw new StreamKitError('no_such_profile', 'There is no such profile');
    return EMPTY_STATE;
  }
  try {
    let state = EMPTY_STATE;
    let files = 0;
    for (let entry = await reader.next(); entry !== undefined; entry = await reader.next()) {
      if (entry.name === STATE_ENTRY) state = await readState(reader, entry);
      else {
        files += 1;
        if (files > MAX_FILES) throw damaged('It has too many files');
        await restoreFile(reader, entry, join(directory, DEFAULT));
      }
    }
    await writePermissions(permissionsAmong(state.permissions), join(directory, DEFAULT));
    return state;
  } catch (thrown) {
    if (thrown instanceof StreamKitError) throw thrown;
    throw damaged('It cannot be restored', thrown);
  } finally {
    await reader.close();
  }
}

/**
 * Writes the folder of a browser that has ended to a new archive.
 *
 * @throws StreamKitError `too_large`, `disk_full`, `profile_failed`.
 */
export async function storeProfile(
  { path, maxBytes, ...source }: Pick<ProfileSource, 'path' | 'maxBytes' | 'key'>,
  directory: string,
  { cookies, origins }: Pick<ProfileState, 'cookies' | 'origins'>,
): Promise<void> {
  const root = join(directory, DEFAULT);
  let writer: ArchiveWriter | undefined;
  try {
    writer = await ArchiveWriter.create(path, keyOf(source), maxBytes);
    const permissions = await readPermissions(root);
    await writer.addBytes(STATE_ENTRY, stateBytes({ cookies, permissions, origins, imported: false }));
    const budget = { files: 0 };
    for (const folder of FOLDERS) {
      if ((await isFolder(root)) && (await isFolder(join(root, folder))))
        await storeFolder(writer, root, folder, 1, budget);
    }
    await writer.finish();
  } catch (thrown) {
    await writer?.abandon();
    if (thrown instanceof StreamKitError) throw thrown;
    throw new StreamKitError('profile_failed', 'The profile cannot be stored', { cause: asError(thrown) });
  }
}

/**
 * With as many origins, the latest first, as there is room for: the browser's own files have them all.
 *
 * @throws StreamKitError `too_large`.
 */
function stateBytes({ origins, ...state }: ProfileState): Buffer {
  let bytes = Buffer.byteLength(JSON.stringify({ ...state, origins: [] }));
  if (bytes > MAX_STATE_BYTES) throw new StreamKitError('too_large', 'The profile has too many cookies');
  const kept = origins.filter((origin) => {
    bytes += Buffer.byteLength(JSON.stringify(origin)) + 1;
    return bytes <= MAX_STATE_BYTES;
  });
  return Buffer.from(JSON.stringify({ ...state, origins: kept }));
}

/** All cookies, those that end with the browser among them. */
export async function readCookies(browser: CdpSession): Promise<readonly StoredCookie[]> {
  const { cookies } = await browser.send('Storage.getCookies');
  return cookies;
}

/** Sets the cookies of a profile. One that the browser refuses by now does not keep out the others. */
export async function setCookies(
  browser: CdpSession,
  cookies: readonly StoredCookie[],
  logger: Logger,
): Promise<void> {
  if (cookies.length === 0) return;
  const parameters = cookies.map(cookieParameter);
  try {
    await browser.send('Storage.setCookies', { cookies: parameters });
  } catch {
    const results = await Promise.allSettled(
      parameters.map((cookie) => browser.send('Storage.setCookies', { cookies: [cookie] })),
    );
    const refused = results.filter(({ status }) => status === 'rejected').length;
    logger.warn({ refused }, 'cookies of a profile were refused by the browser');
  }
}

function cookieParameter(cookie: StoredCookie): Protocol.Network.CookieParam {
  const { name, value, domain, path, secure, httpOnly, sameSite, priority } = cookie;
  const { session, expires, sourceScheme, sourcePort, partitionKey } = cookie;
  // Of one host alone: with the name of a domain it would be one of all its subdomains.
  const place = domain.startsWith('.')
    ? { domain, path }
    : { url: `${sourceScheme === 'Secure' || secure ? 'https' : 'http'}://${domain}${path}`, path };
  return {
    ...{ name, value, secure, httpOnly, priority, sourceScheme, sourcePort },
    ...place,
    ...(sameSite === undefined ? {} : { sameSite }),
    ...(session ? {} : { expires }),
    ...(partitionKey === undefined ? {} : { partitionKey }),
  };
}

/** A link to one is none. */
async function isFolder(path: string): Promise<boolean> {
  const stats = await lstat(path).catch(() => undefined);
  return stats?.isDirectory() === true;
}

async function storeFolder(
  writer: ArchiveWriter,
  root: string,
  folder: string,
  depth: number,
  budget: { files: number },
): Promise<void> {
  if (depth > MAX_DEPTH) throw new Error('The folders are too deep');
  const entries = await readdir(join(root, folder), { withFileTypes: true }).catch((): Dirent[] => []);
  for (const entry of entries) {
    const name = `${folder}/${entry.name}`;
    if (LEFT_OUT.has(entry.name) || !isSafe(name)) continue;
    // Anything else, such as a link or a socket, is none of a page's.
    if (entry.isDirectory()) await storeFolder(writer, root, name, depth + 1, budget);
    else if (entry.isFile()) {
      budget.files += 1;
      if (budget.files > MAX_FILES) throw new StreamKitError('too_large', 'The profile has too many files');
      await writer.addFile(name, join(root, name));
    }
  }
}

async function restoreFile(reader: ArchiveReader, entry: ArchiveEntry, root: string): Promise<void> {
  if (!isSafe(entry.name)) throw damaged('It has a file in another place');
  const path = join(root, entry.name);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  const file = await open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    for await (const chunk of reader.chunks(entry)) await file.writeFile(chunk);
  } finally {
    await file.close();
  }
}

/** A file below one of our folders. */
function isSafe(name: string): boolean {
  const [folder = '', ...rest] = name.split('/');
  return (
    FOLDERS.includes(folder) &&
    rest.length > 0 &&
    rest.length <= MAX_DEPTH &&
    rest.every((part) => part !== '' && part !== '.' && part !== '..' && !/[\0\\]/.test(part))
  );
}

async function readState(reader: ArchiveReader, entry: ArchiveEntry): Promise<ProfileState> {
  if (entry.size > MAX_STATE_BYTES) throw damaged('Its state is too large');
  return parseProfileState(await reader.take(entry.size));
}

function permissionsAmong(settings: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const kept = PERMISSIONS.filter(
    (name) => isPlainObject(settings[name]) && Object.keys(settings[name]).length > 0,
  );
  return Object.fromEntries(kept.map((name) => [name, settings[name]]));
}

async function readPermissions(root: string): Promise<Record<string, unknown>> {
  try {
    const bytes = await readFile(join(root, 'Preferences'));
    if (bytes.byteLength > MAX_PREFERENCES_BYTES) return {};
    const preferences = JSON.parse(bytes.toString('utf8')) as {
      profile?: { content_settings?: { exceptions?: unknown } };
    };
    const exceptions = preferences.profile?.content_settings?.exceptions;
    return isPlainObject(exceptions) ? permissionsAmong(exceptions) : {};
  } catch {
    return {};
  }
}

/** Nothing else of the preferences is kept: they may hold whatever a browser believes of its machine. */
async function writePermissions(exceptions: Readonly<Record<string, unknown>>, root: string): Promise<void> {
  if (Object.keys(exceptions).length === 0) return;
  await mkdir(root, { recursive: true, mode: 0o700 });
  const preferences = { profile: { content_settings: { exceptions } } };
  await writeFile(join(root, 'Preferences'), JSON.stringify(preferences), { flag: 'wx', mode: 0o600 });
}

function keyOf({ key }: Pick<ProfileSource, 'key'>): Uint8Array | undefined {
  return key === undefined ? undefined : Buffer.from(key, 'base64');
}

function damaged(why: string, cause?: unknown): StreamKitError {
  return new StreamKitError('profile_failed', 'The profile cannot be read: it is damaged', {
    cause: cause === undefined ? new Error(why) : asError(cause),
  });
}
