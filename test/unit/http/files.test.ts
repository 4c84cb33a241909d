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

/** A server with one session; gives the session's URL and the folder of its files. */
async function serve(files: FileOptions = {}): Promise<{ url: string; directory: string }> {
  server = await serveRouter({ files });
  const { json } = await postJson(server.url, { targetUrl: 'https://game.example.org/' });
  const directory = server.parts.launches[0]?.parameters.files?.directory ?? '';
  return { url: `${server.url}/${json.streamId}/files`, directory };
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
  const { url, directory } = await serve();
  const fileId = await upload(url, '../../../../tmp/evil.txt', 'content');
  expect(readdirSync(join(directory, 'uploads', fileId))).toEqual(['evil.txt']);
  expect(readFileSync(join(directory, 'uploads', fileId, 'evil.txt'), 'utf8')).toBe('content');
  expect(readdirSync(join(directory, 'incoming'))).toEqual([]);
  // What a viewer has given to the page is not for others.
  expect((await ask(`${url}/${fileId}`)).json.error.code).toBe('no_such_file');
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

test('a body that is no file, and uploads without the option, are refused', async () => {
  const { url } = await serve();
  const multipart = new FormData();
  multipart.set('file', new Blob(['content']));
  expect((await ask(url, { method: 'POST', body: multipart })).json.error.code).toBe(
    'unsupported_media_type',
  );
  await server.close();
  const without = await serve({ uploads: false });
  expect((await ask(without.url, { method: 'POST', body: 'content' })).json.error.code).toBe('forbidden');
});

test('a download is listed, and fetched as an attachment that no browser takes for a page', async () => {
  const { url, directory } = await serve({ downloads: true });
  download(directory, ID, '..\\"π".html', '<script>alert(1)</script>');
  const files = [{ fileId: ID, name: 'π.html', bytes: 25 }];
  expect((await ask(url)).json).toEqual({ files });
  const response = await fetch(`${url}/${ID}`);
  expect(await response.text()).toBe('<script>alert(1)</script>');
  expect(Object.fromEntries(response.headers)).toMatchObject({
    'content-type': 'application/octet-stream',
    'content-disposition': `attachment; filename="_.html"; filename*=UTF-8''%CF%80.html`,
    'x-content-type-options': 'nosniff',
    'content-security-policy': "sandbox; default-src 'none'",
  });
  const part = await fetch(`${url}/${ID}`, { headers: { range: 'bytes=1-6' } });
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
  const { url, directory } = await serve({ downloads: true });
  download(directory, ID, 'a', 'content');
  // `fetch` would resolve dots itself.
  const status = await new Promise((resolve, reject) => {
    const { port } = new URL(url);
    const path = `${new URL(url).pathname}/${fileId}`;
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
  const { url, directory } = await serve({ downloads: true });
  for (const fileId of ['../../../etc/passwd', '..', '', `${ID}/../x`]) report(fileId, 'a', 1);
  expect((await ask(url)).json).toEqual({ files: [] });
  mkdirSync(join(directory, 'downloads'), { recursive: true });
  symlinkSync('/etc/passwd', join(directory, 'downloads', ID));
  report(ID, 'a', 1);
  expect((await ask(`${url}/${ID}`)).json.error.code).toBe('no_such_file');
});

test('the oldest downloads make room, and without the option none is listed', async () => {
  const { url, directory } = await serve({ downloads: true, maxFiles: 2 });
  const ids = [1, 2, 3].map((digit) => ID.slice(0, -1) + String(digit));
  for (const id of ids) download(directory, id, 'a', 'content');
  const listed = (await ask(url)).json.files as { fileId: string }[];
  expect(listed.map(({ fileId }) => fileId)).toEqual(ids.slice(1));
  await until(() => expect(readdirSync(join(directory, 'downloads')).sort()).toEqual(ids.slice(1)));
  await server.close();
  const without = await serve();
  report(ID, 'a', 1);
  expect((await ask(without.url)).json).toEqual({ files: [] });
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
