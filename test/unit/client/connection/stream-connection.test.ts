import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { connectStream } from '../../../../src/client/connect-stream.js';
import type { StreamConnection } from '../../../../src/client/connection/stream-connection.js';
import type { StreamError } from '../../../../src/client/connection/stream-error.js';
import type { ViewerBoundsChange } from '../../../../src/protocol/viewer-bounds.js';
import {
  type Exchange,
  once,
  openStream,
  ScriptedServer,
  sendSignal,
} from '../../../helpers/scripted-server.js';

const DOCUMENT = {
  streamId: 's1',
  status: 'streaming',
  targetUrl: 'https://example.org/',
  clientConnected: true,
  lastActivityTime: 1,
};

function sendPatch({ response }: Exchange, id: number, operations: unknown): void {
  response.write(`event: state_patch\nid: ${id}\ndata: ${JSON.stringify(operations)}\n\n`);
}

describe('StreamConnection', () => {
  let server: ScriptedServer;
  let url: string;
  let connection: StreamConnection | undefined;

  beforeEach(async () => {
    server = new ScriptedServer();
    url = await server.listen();
  });

  afterEach(async () => {
    connection?.close();
    vi.unstubAllGlobals();
    await server.close();
  });

  it('creates a session, then follows its state', async () => {
    connection = connectStream({
      url,
      media: 'none',
      create: { targetUrl: 'https://example.org/', renderOptions: { resolution: '640x360' } },
      headers: { authorization: 'Bearer t' },
    });
    const creation = await server.next();
    expect(creation.request.url).toBe('/stream');
    expect(creation.request.headers.authorization).toBe('Bearer t');
    expect(JSON.parse(creation.body)).toMatchObject({ renderOptions: { resolution: '640x360' } });
    creation.response.writeHead(201, { 'content-type': 'application/json' });
    creation.response.end(
      JSON.stringify({ streamId: 's1', initialState: { ...DOCUMENT, status: 'initializing' } }),
    );

    const events = await server.next();
    expect(events.request.url).toBe('/stream/s1/sse?media=none');
    expect(events.request.headers['last-event-id']).toBeUndefined();
    expect(connection.state?.status).toBe('initializing');
    const viewer = once(connection, 'viewer');
    const status = once(connection, 'sessionStatus');
    openStream(events);
    sendSignal(events, 'viewer', { viewerId: 'v1', role: 'controller', iceServers: [] });
    sendPatch(events, 1, [{ op: 'replace', path: '', value: DOCUMENT }]);
    expect(await viewer).toEqual({ viewerId: 'v1', role: 'controller' });
    expect(await status).toBe('streaming');
    expect(connection.state).toEqual(DOCUMENT);
  });

  it('resumes after a lost event stream as the same viewer', async () => {
    connection = connectStream({ url, media: 'none', streamId: 's1' });
    const first = await server.next();
    openStream(first);
    sendSignal(first, 'viewer', { viewerId: 'v1', role: 'viewer', iceServers: [] });
    sendPatch(first, 8, [{ op: 'replace', path: '', value: DOCUMENT }]);
    await once(connection, 'state');
    first.response.destroy();

    const second = await server.next();
    expect(connection.status).toBe('reconnecting');
    expect(second.request.url).toBe('/stream/s1/sse?viewerId=v1&media=none');
    expect(second.request.headers['last-event-id']).toBe('8');
    expect(connection.state).toEqual(DOCUMENT);
    openStream(second);
    sendSignal(second, 'viewer', { viewerId: 'v1', role: 'viewer', iceServers: [] });
    sendPatch(second, 9, [{ op: 'replace', path: '/status', value: 'error' }]);
    expect((await once(connection, 'state')).state.status).toBe('error');
    expect(connection.status).toBe('connected');
  });

  it('changes what its viewer wants, and asks for that as the next one too', async () => {
    connection = connectStream({ url, media: 'none', streamId: 's1', maxHeight: 720 });
    const first = await server.next();
    expect(first.request.url).toBe('/stream/s1/sse?media=none&maxHeight=720');
    // It is joining with those before.
    await connection.setWishes({ maxBitrateBps: 500_000 });
    openStream(first);
    sendSignal(first, 'viewer', { viewerId: 'v1', role: 'viewer', iceServers: [] });
    const late = await server.next();
    expect(JSON.parse(late.body)).toEqual({
      ...{ viewerId: 'v1', type: 'set_wishes' },
      payload: { maxHeight: 720, maxBitrateBps: 500_000 },
    });
    late.response.writeHead(204).end();
    const changed = connection.setWishes({ maxHeight: null });
    const second = await server.next();
    expect(JSON.parse(second.body)).toMatchObject({ type: 'set_wishes', payload: { maxHeight: null } });
    second.response.writeHead(204).end();
    await changed;
    const refused = connection.setWishes({ maxHeight: -1 });
    const third = await server.next();
    third.response.writeHead(422, { 'content-type': 'application/json' });
    third.response.end('{"error":{"code":"unprocessable","message":"No"}}');
    await expect(refused).rejects.toMatchObject({ code: 'unprocessable' });
    first.response.end();
    expect((await server.next()).request.url).toBe(
      '/stream/s1/sse?viewerId=v1&media=none&maxBitrateBps=500000',
    );
    connection.close();
    await expect(connection.setWishes({})).rejects.toMatchObject({ code: 'closed' });
  });

  describe('changes what its viewer wants', () => {
    const posted: string[] = [];
    let first: Exchange;
    let wishing: StreamConnection;

    const join = (events: Exchange, viewerId: string): void => {
      openStream(events);
      sendSignal(events, 'viewer', { viewerId, role: 'viewer', iceServers: [] });
    };
    const refuse = ({ response }: Exchange): void => {
      response.writeHead(404, { 'content-type': 'application/json' });
      response.end('{"error":{"code":"no_such_viewer","message":"Gone"}}');
    };
    const nextWishes = async (viewerId: string, payload: object): Promise<Exchange> => {
      const post = await server.next();
      expect([post.request.method, post.request.url]).toEqual(['POST', '/stream/s1/signal']);
      expect(JSON.parse(post.body)).toEqual({ viewerId, type: 'set_wishes', payload });
      return post;
    };

    beforeEach(async () => {
      posted.length = 0;
      const send: typeof fetch = (url, init) => {
        if (typeof init?.body === 'string') posted.push(init.body);
        return fetch(url, init);
      };
      wishing = connection = connectStream({
        url,
        media: 'none',
        streamId: 's1',
        maxHeight: 720,
        fetch: send,
      });
      first = await server.next();
      join(first, 'v1');
      await once(wishing, 'viewer');
    });

    it.each(['v1', 'v2'])('while its event stream is away, for %s that comes next', async (viewerId) => {
      const lost = once(wishing, 'status');
      first.response.end();
      expect(await lost).toBe('reconnecting');
      await wishing.setWishes({ maxHeight: 360 });
      join(await server.next(), viewerId);
      (await nextWishes(viewerId, { maxHeight: 360, maxBitrateBps: null })).response.writeHead(204).end();
    });

    it('before it knows that the viewer is gone', async () => {
      const changed = wishing.setWishes({ maxHeight: 360 });
      refuse(await nextWishes('v1', { maxHeight: 360, maxBitrateBps: null }));
      await changed;
      first.response.end();
      const second = await server.next();
      expect(second.request.url).toBe('/stream/s1/sse?viewerId=v1&media=none&maxHeight=360');
      join(second, 'v2');
      (await nextWishes('v2', { maxHeight: 360, maxBitrateBps: null })).response.writeHead(204).end();
    });

    it('while another one takes its place', async () => {
      const changed = wishing.setWishes({ maxHeight: 360 });
      const late = await nextWishes('v1', { maxHeight: 360, maxBitrateBps: null });
      first.response.end();
      const second = await server.next();
      expect(second.request.url).toBe('/stream/s1/sse?viewerId=v1&media=none&maxHeight=720');
      const viewer = once(wishing, 'viewer');
      join(second, 'v2');
      await viewer;
      refuse(late);
      (await nextWishes('v2', { maxHeight: 360, maxBitrateBps: null })).response.writeHead(204).end();
      await changed;
    });

    it('one after the other, and keeps what did not get through', async () => {
      const lost = expect(wishing.setWishes({ maxHeight: 360 })).rejects.toMatchObject({
        code: 'network',
      });
      const post = await nextWishes('v1', { maxHeight: 360, maxBitrateBps: null });
      const changed = wishing.setWishes({ maxBitrateBps: 500_000 });
      expect(posted).toHaveLength(1);
      post.response.destroy();
      await lost;
      (await nextWishes('v1', { maxHeight: 360, maxBitrateBps: 500_000 })).response.writeHead(204).end();
      await changed;
    });

    it('with one request for all changes that wait for another', async () => {
      const settled: string[] = [];
      const change = async (name: string, wishes: ViewerBoundsChange): Promise<void> => {
        const end = await wishing.setWishes(wishes).catch((thrown: unknown) => (thrown as StreamError).code);
        settled.push(`${name} ${end ?? 'done'}`);
      };
      const changes = [change('first', { maxHeight: 100 })];
      const first = await nextWishes('v1', { maxHeight: 100, maxBitrateBps: null });
      changes.push(change('second', { maxHeight: 200, maxBitrateBps: 500_000 }));
      changes.push(change('third', { maxHeight: 300 }));
      first.response.writeHead(204).end();
      const second = await nextWishes('v1', { maxHeight: 300, maxBitrateBps: 500_000 });
      expect(settled).toEqual(['first done']);
      changes.push(change('fourth', { maxHeight: 0 }), change('fifth', { maxBitrateBps: null }));
      second.response.writeHead(204).end();
      const third = await nextWishes('v1', { maxHeight: 0, maxBitrateBps: null });
      expect(settled).toEqual(['first done', 'second done', 'third done']);
      third.response.writeHead(422, { 'content-type': 'application/json' });
      third.response.end('{"error":{"code":"unprocessable","message":"No"}}');
      await Promise.all(changes);
      expect(settled.slice(3)).toEqual(['fourth unprocessable', 'fifth unprocessable']);
      // Nothing of what was refused is left.
      const sixth = wishing.setWishes({ maxHeight: undefined });
      (await nextWishes('v1', { maxHeight: 300, maxBitrateBps: 500_000 })).response.writeHead(204).end();
      await sixth;
      expect(posted).toHaveLength(4);
    });
  });

  it('asks for the whole document after a patch that does not fit', async () => {
    connection = connectStream({ url, media: 'none', streamId: 's1' });
    const first = await server.next();
    openStream(first);
    sendPatch(first, 1, [{ op: 'replace', path: '', value: DOCUMENT }]);
    sendPatch(first, 3, [{ op: 'replace', path: '/status', value: 'error' }]);
    expect((await once(connection, 'error')).code).toBe('protocol');
    const second = await server.next();
    expect(second.request.headers['last-event-id']).toBeUndefined();
  });

  it('comes back as a new viewer when the server has forgotten the old one', async () => {
    connection = connectStream({ url, media: 'none', streamId: 's1' });
    const first = await server.next();
    openStream(first);
    sendSignal(first, 'viewer', { viewerId: 'v1', role: 'viewer', iceServers: [] });
    await once(connection, 'viewer');
    first.response.end();
    const second = await server.next();
    second.response.writeHead(404, { 'content-type': 'application/json' });
    second.response.end('{"error":{"code":"no_such_viewer","message":"Gone."}}');
    const third = await server.next();
    expect(third.request.url).toBe('/stream/s1/sse?media=none');
  });

  it('fails with the code of the server when there is no such session', async () => {
    const errors: StreamError[] = [];
    connection = connectStream({ url, streamId: 's1', onError: (error) => errors.push(error) });
    const closed = once(connection, 'closed');
    const { response } = await server.next();
    response.writeHead(404, { 'content-type': 'application/json' });
    response.end('{"error":{"code":"no_such_session","message":"There is no such session."}}');
    expect(await closed).toEqual({ reason: 'no_such_session' });
    expect(connection.status).toBe('failed');
    expect(errors.map(({ code, status }) => [code, status])).toEqual([['no_such_session', 404]]);
  });

  it('does not create again by itself when the server is full', async () => {
    connection = connectStream({ url, create: { targetUrl: 'https://example.org/' } });
    const error = once(connection, 'error');
    const { response } = await server.next();
    response.writeHead(429, { 'content-type': 'application/json', 'retry-after': '7' });
    response.end('{"error":{"code":"at_capacity","message":"No room."}}');
    expect(await error).toMatchObject({ code: 'at_capacity', retryAfterMs: 7000 });
    expect(connection.status).toBe('failed');
  });

  it('passes messages both ways', async () => {
    connection = connectStream({ url, media: 'none', streamId: 's1' });
    await expect(connection.send({})).rejects.toMatchObject({ code: 'closed' });
    const events = await server.next();
    openStream(events);
    sendSignal(events, 'viewer', { viewerId: 'v1', role: 'viewer', iceServers: [] });
    const message = once(connection, 'message');
    sendSignal(events, 'message', { hello: 1 });
    expect(await message).toEqual({ hello: 1 });
    const sent = connection.send({ type: 'pulse' });
    const post = await server.next();
    expect(post.request.url).toBe('/stream/s1/signal');
    expect(JSON.parse(post.body)).toEqual({ viewerId: 'v1', type: 'message', payload: { type: 'pulse' } });
    post.response.writeHead(204).end();
    await sent;
  });

  it('ends when the server says closed, and does not come back', async () => {
    connection = connectStream({ url, media: 'none', streamId: 's1' });
    const events = await server.next();
    openStream(events);
    const closed = once(connection, 'closed');
    sendSignal(events, 'closed', { reason: 'terminated' });
    expect(await closed).toEqual({ reason: 'terminated' });
    expect(connection.status).toBe('closed');
  });

  it('aborts its requests on close', async () => {
    connection = connectStream({ url, media: 'none', streamId: 's1' });
    const events = await server.next();
    openStream(events);
    const gone = new Promise<void>((resolve) => events.response.on('close', resolve));
    connection.close();
    connection.close();
    await gone;
    expect(connection.status).toBe('closed');
  });

  it('wants either a session to join or one to create', () => {
    expect(() => connectStream({ url })).toThrow(TypeError);
    expect(() => connectStream({ url, streamId: 's', create: { targetUrl: 'x' } })).toThrow(TypeError);
  });

  it('ends a session that was just being created when it was closed', async () => {
    connection = connectStream({ url, create: { targetUrl: 'https://example.org/' } });
    const { response } = await server.next();
    connection.close();
    response.writeHead(201, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ streamId: 's1', initialState: DOCUMENT }));
    const end = await server.next();
    expect([end.request.method, end.request.url]).toEqual(['DELETE', '/stream/s1']);
    end.response.writeHead(204).end();
  });

  it('asks for nothing when it is closed at once', async () => {
    const send = vi.fn<typeof fetch>();
    connectStream({ url, create: { targetUrl: 'https://example.org/' }, fetch: send }).close();
    connectStream({ url, streamId: 's1', fetch: send }).close();
    await new Promise((resolve) => setImmediate(resolve));
    expect(send).not.toHaveBeenCalled();
  });

  it('tells nothing after its end, also of what came in the same chunk', async () => {
    connection = connectStream({ url, media: 'none', streamId: 's1' });
    const told: string[] = [];
    connection.on('sessionStatus', () => told.push('sessionStatus'));
    connection.on('message', () => told.push('message'));
    connection.on('state', () => connection?.close());
    const closed = once(connection, 'closed');
    const events = await server.next();
    openStream(events);
    events.response.cork();
    sendPatch(events, 1, [{ op: 'replace', path: '', value: DOCUMENT }]);
    sendSignal(events, 'message', 1);
    events.response.uncork();
    await closed;
    await new Promise((resolve) => setImmediate(resolve));
    expect(told).toEqual([]);
  });

  describe('in a page', () => {
    let page: EventTarget;
    let listening: number;

    beforeEach(() => {
      listening = 0;
      page = new EventTarget();
      const add = page.addEventListener.bind(page);
      page.addEventListener = (type, listener, options) => {
        listening++;
        (options as AddEventListenerOptions).signal?.addEventListener('abort', () => listening--);
        add(type, listener, options);
      };
      vi.stubGlobal('window', page);
      vi.stubGlobal('document', page);
    });

    async function lostAfter(retry: number): Promise<void> {
      connection = connectStream({ url, media: 'none', streamId: 's1' });
      const first = await server.next();
      first.response.writeHead(200, { 'content-type': 'text/event-stream' });
      first.response.write(`retry: ${retry}\n\n`);
      sendSignal(first, 'viewer', { viewerId: 'v1', role: 'viewer', iceServers: [] });
      await once(connection, 'viewer');
      const lost = once(connection, 'status');
      first.response.end();
      expect(await lost).toBe('reconnecting');
    }

    it.each(['online', 'visibilitychange'])('tries again at once on %s', async (event) => {
      await lostAfter(600_000);
      page.dispatchEvent(new Event(event));
      expect((await server.next()).request.url).toBe('/stream/s1/sse?viewerId=v1&media=none');
    });

    it('opens the event stream anew when the network was away, though nothing broke', async () => {
      connection = connectStream({ url, media: 'none', streamId: 's1' });
      const first = await server.next();
      openStream(first);
      sendSignal(first, 'viewer', { viewerId: 'v1', role: 'viewer', iceServers: [] });
      await once(connection, 'viewer');
      page.dispatchEvent(new Event('visibilitychange'));
      expect(connection.status).toBe('connected');
      const errors: string[] = [];
      connection.on('error', ({ code }) => errors.push(code));
      page.dispatchEvent(new Event('online'));
      expect((await server.next()).request.url).toBe('/stream/s1/sse?viewerId=v1&media=none');
      expect(errors).toEqual([]);
    });

    it('leaves no listener behind', () => {
      connection = connectStream({ url, media: 'none', streamId: 's1' });
      expect(listening).toBe(3);
      connection.close();
      expect(listening).toBe(0);
    });
  });
});
