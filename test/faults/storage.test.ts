import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { root } from '../helpers/product.js';

/** Another view of the file systems is for root alone, and not for root of every container. */
const canMount = spawnSync('unshare', ['-m', 'true'], { stdio: 'ignore' }).status === 0;

/** Limits of processes do not hold for root, and another user cannot read every checkout. */
const AS_NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] as const;
const canLimitProcesses =
  spawnSync(AS_NOBODY[0], [...AS_NOBODY.slice(1), process.execPath, join(root, 'dist/index.js')], {
    stdio: 'ignore',
  }).status === 0;

const SHOWN = { status: 'connecting', snapshot: 200 };
const failed = (error: string): object => ({ status: 'error', error, snapshot: 409 });
const NO_ROOM = failed(
  "Neither shared memory nor the folder for temporary files has room for a browser's profile",
);
const NOT_WRITABLE = failed(
  "Neither shared memory nor the folder for temporary files can be written to for a browser's profile",
);

describe('a session', () => {
  let folder: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'storage-test-'));
  });

  afterAll(() => rmSync(folder, { recursive: true }));

  /** What became of a session of a server that was started behind these commands of a shell, by way of `prefix`. */
  async function outcome(commands: string, prefix = ''): Promise<any> {
    const [script, product] = [join(root, 'test/fixtures/one-session.mjs'), join(root, 'dist/index.js')];
    const run = `exec ${prefix} "${process.execPath}" "${script}" "${pathToFileURL(product).href}"`;
    const words = canMount ? ['unshare', '-m', 'sh'] : ['sh'];
    const [file, ...rest] = [...words, '-ec', `${commands}\n${run}`];
    const { stdout } = await promisify(execFile)(file, rest, { env: { ...process.env, FOLDER: folder } });
    return JSON.parse(stdout);
  }

  it.skipIf(!canMount).each([
    ['shared memory is full', 'mount -t tmpfs -o size=512k none /dev/shm', SHOWN],
    ['shared memory is read-only', 'mount -t tmpfs -o ro none /dev/shm', SHOWN],
    [
      'shared memory and temporary files are full',
      'mount -t tmpfs -o size=512k none /dev/shm; mount -t tmpfs -o size=1m none "$FOLDER"; export TMPDIR=$FOLDER',
      NO_ROOM,
    ],
    [
      'shared memory and temporary files are read-only',
      'mount -t tmpfs -o ro none /dev/shm; mount -t tmpfs -o ro none "$FOLDER"; export TMPDIR=$FOLDER',
      NOT_WRITABLE,
    ],
    [
      'there is no folder for temporary files',
      'mount -t tmpfs -o size=512k none /dev/shm; export TMPDIR=$FOLDER/none',
      NO_ROOM,
    ],
  ])('says what has become of it where %s', async (_name, commands, expected) => {
    expect(await outcome(commands)).toMatchObject(expected);
  });

  it.skipIf(!canLimitProcesses)(
    'says that no browser could be started where few processes may run',
    async () => {
      const prefix = `${AS_NOBODY.join(' ')} prlimit --nproc=60:60`;
      expect(await outcome(':', prefix)).toMatchObject(failed('The browser could not be started'));
    },
  );

  it.each([
    ['an unreadable home', 'export HOME=/proc/1/fdinfo XDG_CONFIG_HOME=/proc XDG_CACHE_HOME=/proc'],
    ['256 descriptors', 'ulimit -n 256'],
  ])('is shown with %s', async (_name, commands) => {
    expect(await outcome(commands)).toMatchObject(SHOWN);
  });
});
