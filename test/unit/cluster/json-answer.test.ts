import { Readable } from 'node:stream';

import { expect, it } from 'vitest';

import { jsonOf } from '../../../src/cluster/json-answer.js';

const streamed = (...chunks: Buffer[]): Parameters<typeof jsonOf>[0] => ({
  stream: { bytes: undefined, content: Readable.from(chunks, { objectMode: false }) },
});

it('the JSON of an answer is whole wherever its chunks are cut', async () => {
  const value = { title: 'Łódź 🎮 東京' };
  const bytes = Buffer.from(JSON.stringify(value));
  for (let cut = 1; cut < bytes.byteLength; cut++) {
    expect(await jsonOf(streamed(bytes.subarray(0, cut), bytes.subarray(cut)))).toEqual(value);
  }
  expect(await jsonOf({ body: JSON.stringify(value) })).toEqual(value);
  expect(await jsonOf({ body: bytes })).toEqual(value);
});

it('the JSON of an answer is refused where it is too long', async () => {
  const chunk = Buffer.alloc(9 * 2 ** 20, 'a');
  await expect(jsonOf(streamed(chunk, chunk))).rejects.toMatchObject({ code: 'unavailable' });
});
