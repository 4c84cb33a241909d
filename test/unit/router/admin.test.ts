import { afterEach, beforeEach, expect, it } from 'vitest';

import type { AdminReport } from '../../../src/protocol/admin.js';
import type { RouterServer } from '../../helpers/router-server.js';
import { ask, postJson, serveRouter } from '../../helpers/router-server.js';
import { settle } from '../../helpers/virtual-clock.js';

const as = (caller: string): { headers: Record<string, string> } => ({ headers: { 'x-caller': caller } });

let server: RouterServer;
let streamId: string;

beforeEach(async () => {
  server = await serveRouter({
    admin: true,
    validateRequest: ({ headers }) => {
      const caller = String(headers['x-caller']);
      return { authorized: true, callerId: caller, role: caller === 'root' ? 'operator' : 'owner' };
    },
  });
  const target = { targetUrl: 'https://game.example.org/', renderOptions: { resolution: '200x100' } };
  streamId = (await postJson(server.url, target, as('ann').headers)).json.streamId;
  server.parts.launches[0]?.succeed();
  await settle();
});

afterEach(() => server.close());

const report = async (): Promise<AdminReport> =>
  (await ask(`${server.url}/admin/sessions`, as('root'))).json as AdminReport;

it('an operator sees the sessions of all callers, and what they use', async () => {
  server.parts.cpuSeconds = 7;
  const { sessions, mayRestart, draining, room } = await report();
  expect({ mayRestart, draining, hasRoom: room > 0 }).toEqual({
    mayRestart: true,
    draining: false,
    hasRoom: true,
  });
  expect(sessions).toEqual([
    expect.objectContaining({
      ...{ streamId, kind: 'page', status: 'connecting', targetUrl: 'https://game.example.org/' },
      owner: { callerId: 'ann', role: 'owner' },
      ...{ viewers: [], viewerCount: 0, restarts: 0, error: null },
      usage: expect.objectContaining({ cpuSeconds: 7, bytesSent: 0 }) as object,
      memoryBytes: expect.any(Number) as number,
    }),
  ]);
});

it('requests at a time share one look at the processes', async () => {
  const first = await report();
  server.parts.cpuSeconds = 9;
  expect(await report()).toEqual(first);
  await server.parts.clock.advance(1000);
  expect((await report()).sessions[0]?.usage?.cpuSeconds).toBe(9);
});

it('to look at sessions is not to use them', async () => {
  await server.parts.clock.advance(60_000);
  const { lastActivityTime } = server.router.sessions.get(streamId).state;
  await report();
  const picture = await fetch(`${server.url}/admin/sessions/${streamId}/picture`, as('root'));
  expect([picture.status, picture.headers.get('content-type')]).toEqual([200, 'image/jpeg']);
  expect(new Uint8Array(await picture.arrayBuffer())).toEqual(new Uint8Array([1, 2, 3]));
  await server.parts.clock.advance(60_000);
  expect(server.router.sessions.get(streamId).state.lastActivityTime).toBe(lastActivityTime);
});

it('the page runs nothing but its own script, and no site may embed it', async () => {
  const page = await fetch(`${server.url}/admin`, as('root'));
  const policy = page.headers.get('content-security-policy') ?? '';
  expect(policy).toMatch(/^default-src 'none'; script-src 'self'; style-src 'sha256-/);
  expect(policy).toContain("frame-ancestors 'none'");
  expect(policy).not.toContain('unsafe');
  expect(await page.text()).toContain('src="admin/admin.js"');
  expect((await ask(`${server.url}/admin/../package.json`, as('root'))).status).toBe(404);
  expect((await ask(`${server.url}/admin/package.json`, as('root'))).status).toBe(404);
});

it('owners get none of it', async () => {
  for (const path of ['', '/admin.js', '/sessions', `/sessions/${streamId}/picture`]) {
    expect((await ask(`${server.url}/admin${path}`, as('ann'))).status).toBe(403);
  }
});

it('without the option there is nothing', async () => {
  await server.close();
  server = await serveRouter({});
  for (const path of ['/admin/sessions', '/admin/admin.js'])
    expect((await ask(server.url + path)).status).toBe(404);
});
