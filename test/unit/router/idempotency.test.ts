import { afterEach, beforeEach, expect, it } from 'vitest';

import type { RouterServer } from '../../helpers/router-server.js';
import { ask, postJson, serveRouter } from '../../helpers/router-server.js';

const PAGE = { targetUrl: 'https://game.example.org/' };
const ANN = { 'x-caller': 'ann', 'idempotency-key': 'once' };

let server: RouterServer;

beforeEach(async () => {
  server = await serveRouter({
    maxSessions: 3,
    validateRequest: ({ headers }) => ({ authorized: true, callerId: String(headers['x-caller']) }),
  });
});

afterEach(() => server.close());

it('one server creates one session for one idempotency key', async () => {
  const first = await postJson(server.url, PAGE, ANN);
  expect(first.status).toBe(201);
  const { streamId } = first.json as { streamId: string };
  const again = await postJson(server.url, PAGE, ANN);
  expect([again.status, again.json.streamId, again.json.initialState.streamId]).toEqual([
    201,
    streamId,
    streamId,
  ]);
  expect(again.headers.get('location')).toBe(`/${streamId}`);
  expect(server.router.sessions.list()).toHaveLength(1);

  const other = await postJson(server.url, { targetUrl: 'https://other.example.org/' }, ANN);
  expect([other.status, other.json.error.code]).toEqual([422, 'unprocessable']);
  const bob = await postJson(server.url, PAGE, { ...ANN, 'x-caller': 'bob' });
  expect([bob.status, bob.json.streamId === streamId]).toEqual([201, false]);

  expect((await ask(`${server.url}/${streamId}`, { method: 'DELETE', headers: ANN })).status).toBe(204);
  expect((await postJson(server.url, PAGE, ANN)).json.error.code).toBe('no_such_session');
  await server.parts.clock.advance(10 * 60_000);
  expect((await postJson(server.url, PAGE, ANN)).status).toBe(201);
});

it('requests with one key at the same time make one session, and the others are told to come again', async () => {
  const answers = await Promise.all([1, 2, 3, 4].map(() => postJson(server.url, PAGE, ANN)));
  const created = answers.filter(({ status }) => status === 201);
  const waiting = answers.filter(({ status }) => status !== 201);
  expect(new Set(created.map(({ json }) => (json as { streamId: string }).streamId)).size).toBe(1);
  for (const { status, headers } of waiting) expect([status, headers.get('retry-after')]).toEqual([409, '1']);
  expect(server.router.sessions.list()).toHaveLength(1);
});

it('a key with which nothing was created can be used again; one that is none is refused', async () => {
  const bad = await postJson(server.url, { targetUrl: 'ftp://game.example.org/' }, ANN);
  expect(bad.status).toBe(400);
  expect((await postJson(server.url, PAGE, ANN)).status).toBe(201);
  const refused = [
    { ...ANN, 'idempotency-key': 'two words' },
    { ...ANN, 'idempotency-key': 'x'.repeat(257) },
    { ...ANN, 'idempotency-key': 'another', accept: 'text/event-stream' },
  ];
  for (const headers of refused) expect((await postJson(server.url, PAGE, headers)).status).toBe(400);
  expect(server.router.sessions.list()).toHaveLength(1);
});
