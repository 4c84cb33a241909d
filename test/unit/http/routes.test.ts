import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { StreamKitError } from '../../../src/base/errors.js';
import type { RouterServer } from '../../helpers/router-server.js';
import { ask, EventStreamClient, postJson, serveRouter } from '../../helpers/router-server.js';
import { settle } from '../../helpers/virtual-clock.js';

let server: RouterServer;

beforeEach(async () => {
  server = await serveRouter({ maxSessions: 2, iceServers: [{ urls: 'stun:stun.example.org' }] });
});
afterEach(async () => {
  await server.close();
  expect(server.parts.clock.pendingTimers).toBe(0);
});

const target = { targetUrl: 'https://game.example.org/' };
const NOBODY = '/6a3e0c5e-0000-4000-8000-000000000000';

async function createSession(body: Readonly<Record<string, unknown>> = {}): Promise<string> {
  const answer = await postJson(`${server.url}/`, { ...target, ...body });
  expect(answer.status).toBe(201);
  return `${server.url}/${answer.json.streamId}`;
}

async function liveSession(): Promise<string> {
  const url = await createSession();
  server.parts.launches.at(-1)?.succeed();
  await settle();
  return url;
}

describe('POST /', () => {
  it('answers at once with the id, the state and where the session is', async () => {
    const { status, headers, json } = await postJson(`${server.url}/`, target);
    expect(status).toBe(201);
    expect(headers.get('location')).toBe(`/${json.streamId}`);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(json.initialState).toMatchObject({ streamId: json.streamId, status: 'initializing', ...target });
    expect(server.parts.launches).toHaveLength(1);
  });

  it('begins an event stream where that is what the client accepts', async () => {
    const stream = await EventStreamClient.open(`${server.url}/`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
      body: JSON.stringify(target),
    });
    expect(stream.response.status).toBe(200);
    expect(stream.response.headers.get('content-type')).toMatch(/^text\/event-stream/);
    await stream.until(() => stream.events.length >= 3);
    const [first, second, third] = stream.events.map((event) => event.data.type ?? event.event);
    expect([first, second, third]).toEqual(['session', 'viewer', 'state_patch']);
    const { streamId } = await stream.signal<{ streamId: string }>('session');
    expect((await ask(`${server.url}/${streamId}`)).json.metadata.viewers).toBe(1);
    stream.abort();
  });

  it.each([
    ['application/json, text/event-stream;q=0.5', 201],
    ['text/event-stream;q=0', 201],
    ['*/*', 201],
  ])('answers JSON to Accept: %s', async (accept, status) => {
    expect((await postJson(`${server.url}/`, target, { accept })).status).toBe(status);
  });

  it('makes no session where the event stream would be refused', async () => {
    const body = { ...target, renderOptions: { videoCodec: 'vp8' } };
    const accept = 'text/event-stream';
    expect((await postJson(`${server.url}/?videoCodec=h264`, body, { accept })).status).toBe(409);
    expect((await postJson(`${server.url}/?media=all`, body, { accept })).status).toBe(400);
    expect(server.parts.launches).toEqual([]);
  });

  it('says which key is wrong', async () => {
    const body = { ...target, renderOptions: { frameRate: 0 } };
    const { status, json } = await postJson(`${server.url}/`, body);
    expect(status).toBe(400);
    expect(json).toEqual({
      error: {
        code: 'bad_request',
        message:
          'Expected integer between 1 and 60 for renderOptions.frameRate but received 0 of type number',
      },
    });
    expect((await postJson(`${server.url}/`, { targetUrl: 'ftp://x' })).json.error.code).toBe(
      'bad_target_url',
    );
  });

  it('is refused for what this server, which is alone, does not have', async () => {
    for (const placement of [{ gpu: true }, { region: 'eu' }]) {
      const { status, json } = await postJson(`${server.url}/`, { ...target, placement });
      expect([status, json.error.code]).toEqual([422, 'no_suitable_node']);
    }
    const wrong = await postJson(`${server.url}/`, { ...target, placement: { zone: 'eu' } });
    expect([wrong.status, wrong.json.error.code]).toEqual([400, 'bad_request']);
    expect(server.parts.launches).toEqual([]);
    await createSession({ placement: { gpu: false } });
  });

  it('is refused when all sessions are taken', async () => {
    await createSession();
    await createSession();
    const { status, headers, json } = await postJson(`${server.url}/`, target);
    expect([status, headers.get('retry-after'), json.error.code]).toEqual([429, '5', 'at_capacity']);
  });
});

describe('GET /:id', () => {
  it('gives the state as it is now', async () => {
    const url = await liveSession();
    const { status, json } = await ask(url);
    expect(status).toBe(200);
    expect(json).toMatchObject({ status: 'connecting', metadata: { capture: 'tab' } });
  });

  it('counts as activity', async () => {
    const url = await createSession();
    const before: number = (await ask(url)).json.lastActivityTime;
    await server.parts.clock.advance(10_000);
    expect((await ask(url)).json.lastActivityTime).toBe(before + 10_000);
  });

  it('shows why a session failed', async () => {
    const url = await createSession();
    server.parts.launches[0]?.fail(new StreamKitError('browser_not_found', 'No Chromium was found'));
    await settle();
    expect((await ask(url)).json).toMatchObject({ status: 'error', error: 'No Chromium was found' });
  });

  it.each(['', '/sse', '/snapshot', '/diagnostics'])('is 404 for nobody: GET /:id%s', async (path) => {
    const { status, json } = await ask(`${server.url}${NOBODY}${path}`);
    expect([status, json.error.code]).toEqual([404, 'no_such_session']);
  });

  it.each(['not-an-id', '%E0%A4%A', '__proto__', 'constructor'])('is 404 for %s', async (id) => {
    expect((await ask(`${server.url}/${id}`)).json.error.code).toBe('no_such_session');
  });
});

describe('GET /:id/diagnostics', () => {
  it('tells what encoders and viewers do, by public id and without secret ones; also by fetch', async () => {
    const url = await liveSession();
    const stream = await EventStreamClient.open(`${url}/sse?media=none`);
    const { viewerId, publicId } = await stream.signal<{ viewerId: string; publicId: string }>('viewer');
    const { status, json } = await ask(`${url}/diagnostics`);
    expect([status, json]).toMatchObject([200, { status: 'connecting', capture: 'tab', encodings: [] }]);
    expect(json.viewers).toEqual([
      {
        publicId,
        attached: true,
        elsewhere: false,
        wishes: { maxHeight: null, maxBitrateBps: null },
        bounds: { maxHeight: null, maxBitrateBps: null },
        media: 'none',
        ice: null,
        videoCodec: null,
        rung: null,
        video: null,
        audio: null,
      },
    ]);
    expect(JSON.stringify(json)).not.toContain(viewerId);
    const fetched = await server.router.fetch(new Request(`${url}/diagnostics`), {
      remoteAddress: '127.0.0.1',
    });
    expect([fetched.status, await fetched.json()]).toEqual([200, json]);
    stream.abort();
  });

  it('is no use of the session, which ends all the same', async () => {
    const url = await liveSession();
    await server.parts.clock.advance(299_000);
    expect((await ask(`${url}/diagnostics`)).status).toBe(200);
    await server.parts.clock.advance(2000);
    expect((await ask(`${url}/diagnostics`)).status).toBe(404);
  });
});

describe('DELETE /:id', () => {
  it('tells the viewers, closes everything and forgets the session', async () => {
    const url = await liveSession();
    const stream = await EventStreamClient.open(`${url}/sse`);
    await stream.signal('sdp_offer');
    expect((await ask(url, { method: 'DELETE' })).status).toBe(204);
    expect(await stream.signal('closed')).toEqual({ reason: 'deleted' });
    await stream.untilEnd();
    expect(server.parts.events).toContain('capture closed');
    expect((await ask(url)).status).toBe(404);
    expect((await ask(url, { method: 'DELETE' })).json.error.code).toBe('no_such_session');
  });
});

describe('POST /:id/signal', () => {
  it('takes an answer and candidates', async () => {
    const url = await liveSession();
    const stream = await EventStreamClient.open(`${url}/sse`);
    const { viewerId } = await stream.signal<{ viewerId: string }>('viewer');
    expect(await stream.signal('sdp_offer')).toBe('offer 0');
    const send = (type: string, payload?: unknown) =>
      postJson(`${url}/signal`, { viewerId, type, payload }).then((answer) => answer.status);
    expect(await send('sdp_answer', 'v=0')).toBe(204);
    expect(await send('ice_candidate', { candidate: 'candidate:1' })).toBe(204);
    expect(await send('ice_candidate', null)).toBe(204);
    expect(await send('ice_restart')).toBe(204);
    expect(await send('message', { jump: true })).toBe(204);
    expect(await send('sdp_answer', 7)).toBe(422);
    expect(await send('dance')).toBe(400);
    expect(server.parts.peers[0]).toMatchObject({ answers: ['v=0'], restarts: 1 });
    expect(server.parts.messagesToPage).toEqual([{ jump: true }]);
    stream.abort();
  });

  it('refuses what is no signal', async () => {
    const url = await createSession();
    const code = async (body: unknown): Promise<unknown> => {
      const { status, json } = await postJson(`${url}/signal`, body);
      return [status, json.error.code];
    };
    expect(await code([])).toEqual([400, 'bad_request']);
    expect(await code({ type: 'sdp_answer', payload: 'v=0' })).toEqual([400, 'bad_request']);
    expect(await code({ viewerId: 'x', payload: 'v=0' })).toEqual([400, 'bad_request']);
    expect(await code({ viewerId: 'x', type: 'sdp_answer', payload: 'v=0' })).toEqual([
      404,
      'no_such_viewer',
    ]);
    const stream = await EventStreamClient.open(`${url}/sse?media=none`);
    const { viewerId } = await stream.signal<{ viewerId: string }>('viewer');
    expect(await code({ viewerId, type: 'sdp_answer', payload: 'v=0' })).toEqual([409, 'conflict']);
    stream.abort();
  });
});

describe('PATCH /:id/viewers/:publicId', () => {
  it('bounds one viewer, and answers what is in force', async () => {
    const url = await liveSession();
    const stream = await EventStreamClient.open(`${url}/sse?maxHeight=480`);
    const { viewerId } = await stream.signal<{ viewerId: string }>('viewer');
    const patch = async (name: string, body: unknown): Promise<unknown[]> => {
      const headers = { 'content-type': 'application/json' };
      const init = { method: 'PATCH', headers, body: JSON.stringify(body) };
      const { status, json } = await ask(`${url}/viewers/${name}`, init);
      return [status, json.error?.code ?? json];
    };
    expect(await patch('1', { maxHeight: 360 })).toEqual([200, { maxHeight: 360, maxBitrateBps: null }]);
    expect(await patch('1', { maxBitrateBps: 1e6 })).toEqual([200, { maxHeight: 360, maxBitrateBps: 1e6 }]);
    expect(await patch('1', { maxHeight: null, width: 1 })).toEqual([400, 'bad_request']);
    expect(await patch('2', { maxHeight: 360 })).toEqual([404, 'no_such_viewer']);
    expect(await patch(viewerId, { maxHeight: 360 })).toEqual([404, 'no_such_viewer']);
    const wishes = { viewerId, type: 'set_wishes', payload: { maxBitrateBps: 2e6 } };
    expect((await postJson(`${url}/signal`, wishes)).status).toBe(204);
    expect((await ask(`${url}/diagnostics`)).json.viewers).toMatchObject([
      { wishes: { maxHeight: 480, maxBitrateBps: 2e6 }, bounds: { maxHeight: 360, maxBitrateBps: 1e6 } },
    ]);
    stream.abort();
  });
});

describe('GET /:id/snapshot', () => {
  it('gives the picture', async () => {
    const url = await liveSession();
    const response = await fetch(`${url}/snapshot?format=jpeg&width=640`);
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'image/jpeg']);
    expect(new Uint8Array(await response.arrayBuffer())).toEqual(new Uint8Array([1, 2, 3]));
    expect((await fetch(`${url}/snapshot`)).headers.get('content-type')).toBe('image/png');
  });

  it.each(['format=gif', 'width=0', 'width=9999', 'width=1e3', 'width='])('refuses ?%s', async (query) => {
    const url = await liveSession();
    expect((await ask(`${url}/snapshot?${query}`)).json.error.code).toBe('bad_request');
  });

  it('is not to be had before there is one', async () => {
    const url = await createSession();
    const { status, headers } = await ask(`${url}/snapshot`);
    expect([status, headers.get('retry-after')]).toEqual([503, '1']);
  });

  it('that fails says nothing of how', async () => {
    const url = await liveSession();
    server.parts.snapshotResult = () => Promise.reject(new Error('/home/secret broke'));
    const { status, json } = await ask(`${url}/snapshot`);
    expect([status, json]).toEqual([500, { error: { code: 'internal', message: 'The server failed' } }]);
  });
});

describe('methods', () => {
  it.each([
    ['PUT', '/', 'GET, HEAD, POST, OPTIONS'],
    ['DELETE', '/', 'GET, HEAD, POST, OPTIONS'],
    ['POST', NOBODY, 'GET, HEAD, PATCH, DELETE, OPTIONS'],
    ['DELETE', `${NOBODY}/sse`, 'GET, HEAD, OPTIONS'],
    ['GET', `${NOBODY}/signal`, 'POST, OPTIONS'],
    ['PATCH', `${NOBODY}/snapshot`, 'GET, HEAD, OPTIONS'],
  ])('%s %s is not allowed', async (method, path, allow) => {
    const { status, headers, json } = await ask(`${server.url}${path}`, { method });
    expect([status, headers.get('allow'), json.error.code]).toEqual([405, allow, 'method_not_allowed']);
  });

  it('are listed by OPTIONS, without any cross-origin permission', async () => {
    const { status, headers } = await ask(`${server.url}${NOBODY}`, { method: 'OPTIONS' });
    expect([status, headers.get('allow')]).toEqual([204, 'GET, HEAD, PATCH, DELETE, OPTIONS']);
    expect(headers.get('access-control-allow-origin')).toBeNull();
  });

  it('include HEAD where there is GET, which makes no viewer and takes no picture', async () => {
    const url = await liveSession();
    server.parts.snapshotResult = () => Promise.reject(new Error('No picture was asked for'));
    for (const path of ['', '/sse', '/snapshot', '/diagnostics']) {
      const response = await fetch(url + path, { method: 'HEAD' });
      expect([response.status, await response.text()]).toEqual([200, '']);
    }
    expect((await ask(url)).json.metadata.viewers).toBe(0);
  });

  it('do not matter where there is nothing', async () => {
    for (const path of ['/a/b', '/a/b/c', '//', `${NOBODY}/whip`]) {
      const { status, json } = await ask(server.url + path);
      expect([path, status, json.error.code]).toEqual([path, 404, 'not_found']);
    }
  });
});
