import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { silentLogger } from '../../../src/base/logger.js';

import type { ReplayRecord } from '../../../src/terminal/replay-files.js';
import { ReplayFiles } from '../../../src/terminal/replay-files.js';
import { seededRandom } from '../../helpers/seeded-random.js';

let folder: string;
let directory: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'replay-test-'));
  directory = join(folder, 'replay');
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const open = (maxBytes = 8192): ReturnType<typeof ReplayFiles.open> =>
  ReplayFiles.open({ directory, maxBytes, logger: silentLogger });
const paths = (): string[] =>
  readdirSync(directory)
    .sort()
    .map((name) => join(directory, name));
const chunk = (sequence: number, length = 100): Uint8Array => Buffer.alloc(length, sequence);
const numbers = (records: readonly ReplayRecord[]): number[] => records.map(({ sequence }) => sequence);

/** Writes chunks, in files of about 1 KiB. */
async function written(count: number, from = 1): Promise<void> {
  const { files } = await open();
  for (let sequence = from; sequence < from + count; sequence++) {
    files.append(sequence, chunk(sequence));
  }
  await files.close();
}

describe('the output of a terminal on disk', () => {
  it('is there again, in its order, for this user alone', async () => {
    expect((await open()).records).toEqual([]);
    await written(30);
    const { records, files } = await open();
    await files.close();
    expect(numbers(records)).toEqual(Array.from({ length: 30 }, (_, index) => index + 1));
    expect(records[6]?.bytes).toEqual(chunk(7));
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    expect(paths().map((path) => statSync(path).mode & 0o777)).toEqual(paths().map(() => 0o600));
  });

  it('is bounded: the oldest files go', async () => {
    const { files } = await open();
    for (let sequence = 1; sequence <= 500; sequence++) {
      files.append(sequence, chunk(sequence));
      // As fast as the disk, or a little slower.
      if (sequence % 20 === 0) await files.idle();
    }
    await files.close();
    const bytes = paths().reduce((sum, path) => sum + statSync(path).size, 0);
    expect(bytes).toBeLessThan(8192 + 2048);
    const { records } = await open();
    expect(records.at(-1)?.sequence).toBe(500);
    expect(records.length).toBeGreaterThan(40);
    expect(numbers(records)).toEqual(records.map((_, index) => (records[0]?.sequence ?? 0) + index));
  });

  it('leaves out what the disk is too slow for', async () => {
    const { files } = await open();
    for (let sequence = 1; sequence <= 500; sequence++) files.append(sequence, chunk(sequence));
    await files.idle();
    files.append(501, chunk(501));
    await files.close();
    const { records } = await open();
    expect(records.length).toBeLessThan(80);
    expect(records.at(-1)?.sequence).toBe(501);
  });

  it('loses what was torn and nothing before it, wherever the server stopped', async () => {
    await written(4);
    const [path = ''] = paths();
    const whole = readFileSync(path);
    for (let length = 0; length <= whole.byteLength; length += 13) {
      writeFileSync(path, whole);
      truncateSync(path, length);
      const { records } = await open();
      expect(numbers(records)).toEqual([1, 2, 3, 4].slice(0, Math.floor(length / 116)));
    }
  });

  it('goes on after a torn end', async () => {
    await written(3);
    appendFileSync(paths()[0] ?? '', Buffer.from([0, 0, 0, 50, 1, 2, 3]));
    await written(2, 10);
    expect(numbers((await open()).records)).toEqual([1, 2, 3, 10, 11]);
  });

  it.each([1, 2, 3])('is read without harm whatever was done to it (seed %i)', async (seed) => {
    const random = seededRandom(seed);
    await written(8);
    const [path = ''] = paths();
    const whole = readFileSync(path);
    for (let round = 0; round < 60; round++) {
      const bytes = Buffer.from(whole);
      for (let flip = 0; flip < 3; flip++)
        bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
      writeFileSync(path, bytes);
      const { records } = await open();
      for (const { sequence, bytes: data } of records) expect(data).toEqual(chunk(sequence));
      if (paths().length === 0) writeFileSync(path, whole);
    }
  });
});
