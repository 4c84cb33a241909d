import { expect, test } from 'vitest';

import { multipartBoundary, multipartFile } from '../../../src/http/multipart-file.js';

const HEAD = '--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n';

/** Gives the body in pieces of this many bytes. */
async function* pieces(body: string, bytes: number): AsyncGenerator<Uint8Array> {
  const all = Buffer.from(body);
  for (let at = 0; at < all.byteLength; at += bytes) {
    await Promise.resolve();
    yield all.subarray(at, at + bytes);
  }
}

async function read(body: string, bytes = 7): Promise<[string | undefined, string]> {
  const { name, chunks } = await multipartFile(pieces(body, bytes), 'b', 1000);
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return [name, Buffer.concat(parts).toString()];
}

test.each([1, 2, 3, 5, 1000])('a file is read from pieces of %i bytes', async (bytes) => {
  const content = 'one\r\n--not the boundary\r\n-\r\n--';
  const body = `preamble\r\n--b\r\nContent-Disposition: form-data; name="x"\r\n\r\nfield\r\n${HEAD}${content}\r\n--b--\r\nepilogue`;
  expect(await read(body, bytes)).toEqual(['a.txt', content]);
  expect(await read(`${HEAD}\r\n--b--`, bytes)).toEqual(['a.txt', '']);
});

test.each([
  ['filename="quo\\"te.txt"', 'quo"te.txt'],
  ['filename=bare.txt', 'bare.txt'],
  [`filename="x"; filename*=UTF-8''%C3%BC.txt`, 'ü.txt'],
  [`filename="x"; filename*=UTF-8''%zz`, 'x'],
  ['filename=""', ''],
  ['filename="ü.txt"', 'ü.txt'],
])('the name of %s is %j', async (parameter, name) => {
  const body = `--b\r\ncontent-disposition: form-data; name="f"; ${parameter}\r\n\r\nx\r\n--b--`;
  expect((await read(body))[0]).toBe(name);
});

test.each([
  ['no boundary', 'nothing'],
  ['no end', `${HEAD}content`],
  ['no file', '--b\r\nContent-Disposition: form-data; name="x"\r\n\r\nfield\r\n--b--'],
  ['a second file', `${HEAD}one\r\n${HEAD}two\r\n--b--`],
  ['an endless header', `--b\r\n${'x'.repeat(100_000)}`],
  ['an empty body', ''],
])('a body with %s is refused', async (_, body) => {
  await expect(read(body)).rejects.toMatchObject({ code: 'bad_request' });
});

test('a file that is too large is refused', async () => {
  await expect(read(`${HEAD}${'x'.repeat(1001)}\r\n--b--`)).rejects.toMatchObject({ code: 'too_large' });
});

test('only multipart/form-data has a boundary', () => {
  expect(multipartBoundary('multipart/form-data; boundary=abc')).toBe('abc');
  expect(multipartBoundary('Multipart/Form-Data; charset=utf-8; boundary="a b"')).toBe('a b');
  expect(multipartBoundary('application/octet-stream')).toBeUndefined();
  expect(multipartBoundary('text/plain; boundary=abc')).toBeUndefined();
});
