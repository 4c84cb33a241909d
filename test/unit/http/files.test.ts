import { existsSync, readdirSync, readFileSync, symlinkSync, writeFileSync, mkdirSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';

import { afterEach, expect, test } from 'vitest';

import type { FileOptions } from '../../../src/options/file-options.js';
import { until } from '../../helpers/patience.js';
import { ask, postJson, type RouterServer, serveRouter } from '../../helpers/router-server.js';

const ID = '6a3e0c5e-0000-4000-8000-000000000001';

let server: RouterServer;

afterEach(async () => {
  const directories = server.parts.launches.map(({ parameters }) => parameters.files?.directory ?? '');
  await server.close();
  expect(directories.filter((directory) => existsSync(directory))).toEqual([]);
  expect(server.parts.clock.pendingTimers).toBe(0);
});

/** A server with one session, with the default options for null; gives the URLs and the folder of its files. */
async function serve(
  files: FileOptions | null = {},
): Promise<{ url: string; downloads: string; directory: string }> {
  server = await serveRouter(files === null ? {} : { files: { uploads: true, ...files } });
  const { json } = await postJson(server.url, { targetUrl: 'https://game.example.org/' });
  const directory = server.parts.launches[0]?.parameters.files?.directory ?? '';
  const session = `${server.url}/${json.streamId}`;
  return { url: `${session}/files`, downloads: `${session}/downloads`, directory };
}

async function upload(url: string, name: string, body: NonNullable<RequestInit['body']>): Promise<string> {
  const { status, json } = await ask(`${url}?name=${encodeURIComponent(name)}`, { method: 'POST', body });
  expect(status).toBe(201);
  return json.fileId as string;
}

function uploads(directory: string): string[] {
  return readdirSync(join(directory, 'uploads'));
}

/** The page's process has kept a download. */
function download(directory: string, fileId: string, name: string, content: string): void {
  mkdirSync(join(directory, 'downloads'), { recursive: true });
  writeFileSync(join(directory, 'downloads', fileId), content);
  report(fileId, name, content.length);
}

function report(fileId: string, name: string, bytes: number): void {
  const event = { type: 'download', state: 'finished', fileId, name, bytes } as const;
  server.parts.launches[0]?.listener.onPageEvent(event);
}

test('an upload is stored under its name in a folder of its own, whatever the name', async () => {
  const { url, downloads, directory } = await serve();
  const fileId = await upload(url, '../../../../tmp/evil.txt', 'content');
  expect(readdirSync(join(directory, 'uploads', fileId))).toEqual(['evil.txt']);
  expect(readFileSync(join(directory, 'uploads', fileId, 'evil.txt'), 'utf8')).toBe('content');
  expect(readdirSync(join(directory, 'incoming'))).toEqual([]);
  // What a viewer has given to the page is not for others.
  expect((await ask(`${downloads}/${fileId}`)).json.error.code).toBe('no_such_file');
});

test.each(['content-length', 'chunked'])('a file that is too large is refused (%s)', async (framing) => {
  const { url, directory } = await serve({ maxBytes: 10_000 });
  const bytes = Buffer.alloc(10_001);
  const body = framing === 'chunked' ? new Blob([bytes]).stream() : bytes;
  const { status, json } = await ask(url, { method: 'POST', body, duplex: 'half' } as RequestInit);
  expect([status, json.error.code]).toEqual([413, 'too_large']);
  expect(existsSync(directory) ? readdirSync(join(directory, 'incoming')) : []).toEqual([]);
  await upload(url, 'fits', Buffer.alloc(10_000));
});

test('the oldest uploads make room, by number and by size', async () => {
  const { url, directory } = await serve({ maxBytes: 100, maxFiles: 3 });
  const ids: string[] = [];
  for (let index = 0; index < 4; index++) ids.push(await upload(url, 'a', 'x'.repeat(20)));
  await until(() => expect(uploads(directory).sort()).toEqual(ids.slice(1).sort()));
  const large = await upload(url, 'large', 'x'.repeat(90));
  await until(() => expect(uploads(directory)).toEqual([large]));
});

test('an upload that is cut off leaves nothing, and at most four are on the way', async () => {
  const { url, directory } = await serve();
  const begin = () => {
    const sending = request(url, { method: 'POST', headers: { 'content-length': 1000 } });
    sending.on('error', () => undefined).write('begun');
    return sending;
  };
  const sendings = Array.from({ length: 4 }, begin);
  await until(() => expect(readdirSync(join(directory, 'incoming'))).toHaveLength(4));
  const { status, headers } = await ask(url, { method: 'POST', body: 'one more' });
  expect([status, headers.get('retry-after')]).toEqual([429, '1']);
  for (const sending of sendings) sending.destroy();
  await until(() => expect(readdirSync(join(directory, 'incoming'))).toEqual([]));
  await upload(url, 'again', 'content');
});

test('uploads without the option are refused', async () => {
  const { url } = await serve(null);
  expect((await ask(url, { method: 'POST', body: 'content' })).json.error.code).toBe('forbidden');
});

test('a multipart body gives its file and the name of it, and is bounded as others are', async () => {
  const { url, directory } = await serve({ maxBytes: 10_000 });
  const post = (bytes: number, name?: string) => {
    const body = new FormData();
    body.set('note', 'a field that is no file');
    if (name !== undefined) body.set('file', new Blob(['x'.repeat(bytes)]), name);
    return ask(url, { method: 'POST', body });
  };
  const { status, json } = await post(10_000, '../zwei "ü".txt');
  expect(status).toBe(201);
  const folder = join(directory, 'uploads', json.fileId as string);
  const [stored = ''] = readdirSync(folder);
  expect(stored).not.toMatch(/["/]|^\./);
  expect(readFileSync(join(folder, stored), 'utf8')).toBe('x'.repeat(10_000));
  expect((await post(10_001, 'large')).json.error.code).toBe('too_large');
  expect((await post(1)).json.error.code).toBe('bad_request');
  expect(readdirSync(join(directory, 'incoming'))).toEqual([]);
});

test.each([
  ['filename="../../../etc/passwd"', 'passwd'],
  ['filename="..\\\\..\\\\..\\\\boot.ini"', 'boot.ini'],
  ['filename=".."', 'file'],
  ['filename="nul\0byte.txt"', 'nulbyte.txt'],
  ['filename="a"; filename*=utf-8\'\'..%2F..%2F%00evil', 'evil'],
  ['filename="a.txt"; filename*=utf-8\'\'%ff%fe', 'a.txt'],
  ['filename="CON"', '_CON'],
  ['filename=NUL.txt', '_NUL.txt'],
  [`filename="${'long'.repeat(1900)}.txt"`, `${'long'.repeat(49)}.txt`],
])('a hostile name in a multipart body is made harmless: %#', async (parameters, kept) => {
  const { url, directory } = await serve();
  const head = `--b\r\nContent-Disposition: form-data; name="file"; ${parameters}\r\n\r\n`;
  const headers = { 'content-type': 'multipart/form-data; boundary=b' };
  const { status, json } = await ask(url, { method: 'POST', headers, body: `${head}content\r\n--b--\r\n` });
  expect(status).toBe(201);
  const folder = join(directory, 'uploads', json.fileId as string);
  expect(readdirSync(folder)).toEqual([kept]);
  expect(readFileSync(join(folder, kept), 'utf8')).toBe('content');
});

test('a name of 10 kB is cut in an URL, and refused in a multipart body', async () => {
  const { url, directory } = await serve();
  const long = `../${'x'.repeat(10_000)}.txt`;
  const fileId = await upload(url, long, 'content');
  expect(readdirSync(join(directory, 'uploads', fileId))).toEqual([`${'x'.repeat(196)}.txt`]);
  const body = new FormData();
  body.set('file', new Blob(['content']), long);
  expect((await ask(url, { method: 'POST', body })).json.error.code).toBe('bad_request');
});

test('a download is listed, and fetched as an attachment that no browser takes for a page', async () => {
  const { downloads, directory } = await serve({ downloads: true });
  download(directory, ID, '..\\"π".html', '<script>alert(1)</script>');
  const files = [{ fileId: ID, name: 'π.html', bytes: 25 }];
  expect((await ask(downloads)).json).toEqual({ files });
  const response = await fetch(`${downloads}/${ID}`);
  expect(await response.text()).toBe('<script>alert(1)</script>');
  expect(Object.fromEntries(response.headers)).toMatchObject({
    'content-type': 'application/octet-stream',
    'content-disposition': `attachment; filename="_.html"; filename*=UTF-8''%CF%80.html`,
    'x-content-type-options': 'nosniff',
    'content-security-policy': "sandbox; default-src 'none'",
  });
  const part = await fetch(`${downloads}/${ID}`, { headers: { range: 'bytes=1-6' } });
  expect([part.status, await part.text()]).toEqual([206, 'script']);
});

test.each([
  '..%2f..%2f..%2fetc%2fpasswd',
  '%2e%2e',
  '..%5c..%5cetc',
  'downloads%2f..%2f..',
  '%00',
  '__proto__',
  'constructor',
  '6A3E0C5E-0000-4000-8000-000000000001/..',
])('no path is fetched: %s', async (fileId) => {
  const { downloads, directory } = await serve({ downloads: true });
  download(directory, ID, 'a', 'content');
  // `fetch` would resolve dots itself.
  const status = await new Promise((resolve, reject) => {
    const { port } = new URL(downloads);
    const path = `${new URL(downloads).pathname}/${fileId}`;
    request({ host: '127.0.0.1', port, path }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on('error', reject)
      .end();
  });
  expect(status).toBe(404);
});

test('what a page reports of a file is no path, and no link is followed', async () => {
  const { downloads, directory } = await serve({ downloads: true });
  for (const fileId of ['../../../etc/passwd', '..', '', `${ID}/../x`]) report(fileId, 'a', 1);
  expect((await ask(downloads)).json).toEqual({ files: [] });
  mkdirSync(join(directory, 'downloads'), { recursive: true });
  symlinkSync('/etc/passwd', join(directory, 'downloads', ID));
  report(ID, 'a', 1);
  expect((await ask(`${downloads}/${ID}`)).json.error.code).toBe('no_such_file');
});

test('the oldest downloads make room, and without the option none is listed', async () => {
  const { downloads, directory } = await serve({ downloads: true, maxFiles: 2 });
  const ids = [1, 2, 3].map((digit) => ID.slice(0, -1) + String(digit));
  for (const id of ids) download(directory, id, 'a', 'content');
  const listed = (await ask(downloads)).json.files as { fileId: string }[];
  expect(listed.map(({ fileId }) => fileId)).toEqual(ids.slice(1));
  await until(() => expect(readdirSync(join(directory, 'downloads')).sort()).toEqual(ids.slice(1)));
  await server.close();
  const without = await serve();
  report(ID, 'a', 1);
  expect((await ask(without.downloads)).json).toEqual({ files: [] });
});

test('the files go with the session, also one on the way', async () => {
  const { url, directory } = await serve();
  await upload(url, 'a', 'content');
  const sending = request(url, { method: 'POST', headers: { 'content-length': 1000 } });
  sending.on('error', () => undefined).write('begun');
  await until(() => expect(readdirSync(join(directory, 'incoming'))).toHaveLength(1));
  const ended = fetch(url.replace('/files', ''), { method: 'DELETE' });
  sending.destroy();
  expect((await ended).status).toBe(204);
  expect(existsSync(directory)).toBe(false);
  expect((await ask(url, { method: 'POST', body: 'late' })).status).toBe(404);
});
