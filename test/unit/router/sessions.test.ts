import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { StreamKitError } from '../../../src/base/errors.js';
import { controlOptions, type ControlRequest } from '../../../src/options/control-options.js';
import type { StreamKitOptions } from '../../../src/options/stream-kit-options.js';
import type { StreamKitEvent } from '../../../src/session/session-event-stream.js';
import type { StreamKitSession } from '../../../src/session/stream-kit-session.js';
import {
  ask,
  EventStreamClient,
  postJson,
  serveRouter,
  type RouterServer,
} from '../../helpers/router-server.js';
import { until } from '../../helpers/patience.js';
import { codeOf } from '../../helpers/session-harness.js';
import { settle } from '../../helpers/virtual-clock.js';

const targetUrl = 'https://game.example.org/';
let server: RouterServer;
let streams: EventStreamClient[];

async function serve(options: StreamKitOptions = {}): Promise<void> {
  await server.close();
  server = await serveRouter(options);
}

async function liveSession(owner?: string): Promise<StreamKitSession> {
  const session = await server.router.sessions.create({ targetUrl }, owner === undefined ? {} : { owner });
  server.parts.launches.at(-1)?.succeed();
  return session.whenReady();
}

/** A viewer over HTTP, whose peer is connected. */
async function watch(session: StreamKitSession): Promise<EventStreamClient> {
  const stream = await EventStreamClient.open(`${server.url}/${session.id}/sse`);
  streams.push(stream);
  await stream.signal('sdp_offer');
  server.parts.peers.at(-1)?.connect();
  return stream;
}

beforeEach(async () => {
  streams = [];
  server = await serveRouter();
});

afterEach(async () => {
  for (const stream of streams) stream.abort();
  await server.close();
});

describe('router.sessions', () => {
  it('creates sessions that HTTP sees, and finds those that HTTP created', async () => {
    const { sessions } = server.router;
    const session = await sessions.create({ targetUrl, renderOptions: { resolution: '640x360' } });
    expect((await ask(`${server.url}/${session.id}`)).json).toMatchObject({
      streamId: session.id,
      targetUrl,
    });
    expect(server.parts.launches[0]?.parameters).toMatchObject({ width: 640, height: 360 });
    expect(sessions.get(session.id)).toBe(session);
    expect(sessions.list({ kind: 'page', status: 'initializing' })).toEqual([session]);
    expect(sessions.list({ kind: 'terminal' })).toEqual([]);
    expect(await codeOf(() => sessions.get('nobody'))).toBe('no_such_session');
  });

  it('refuses what the route refuses, with the same codes', async () => {
    const { sessions } = server.router;
    expect(await codeOf(() => sessions.create({ targetUrl: 'file:///etc/passwd' }))).toBe('bad_target_url');
    const renderOptions = { frameRate: 600 };
    expect(await codeOf(() => sessions.create({ targetUrl, renderOptions }))).toBe('bad_request');
    expect(await codeOf(() => sessions.create({ terminal: {} }))).toBe('forbidden');
    expect(await codeOf(() => sessions.create({ targetUrl }, { owner: '' }))).toBe('bad_option');
    expect(server.parts.launches).toEqual([]);
  });

  it('gives a session to its owner, and to nobody without one', async () => {
    await serve({
      validateRequest: (request) => ({
        authorized: true,
        callerId: String((request as { headers: Record<string, unknown> }).headers['x-user']),
        role: 'owner',
      }),
    });
    const { sessions } = server.router;
    const own = await sessions.create({ targetUrl }, { owner: 'ann' });
    const nobodys = await sessions.create({ targetUrl });
    expect(sessions.list({ owner: 'ann' })).toEqual([own]);
    const end = async (session: StreamKitSession, user: string): Promise<number> =>
      (await ask(`${server.url}/${session.id}`, { method: 'DELETE', headers: { 'x-user': user } })).status;
    expect(await end(own, 'bob')).toBe(403);
    expect(await end(nobodys, 'ann')).toBe(403);
    expect(await end(own, 'ann')).toBe(204);
  });

  it('lists the events of all sessions in order, until the signal is aborted', async () => {
    const { sessions } = server.router;
    const abort = new AbortController();
    const seen: StreamKitEvent[] = [];
    const reading = (async () => {
      for await (const event of sessions.events({ signal: abort.signal })) {
        seen.push(event);
        if (event.type === 'session:end') abort.abort();
      }
    })();
    const session = await liveSession();
    await session.end();
    await reading;
    expect(seen.map(({ type, streamId }) => [type, streamId])).toEqual([
      ['session:create', session.id],
      ['session:status', session.id],
      ['session:status', session.id],
      ['session:end', session.id],
    ]);
  });

  it('ends iterations when the router closes', async () => {
    const events = server.router.sessions.events();
    const next = events.next();
    await server.router.close();
    expect(await next).toEqual({ done: true, value: undefined });
  });
});

describe('a session as an object', () => {
  it('reports its status, its viewers and its end', async () => {
    const session = await liveSession();
    const seen: unknown[] = [];
    session.on('status', ({ status }) => seen.push(status));
    session.on('viewer', ({ change, publicId }) => seen.push([change, publicId]));
    session.on('ended', ({ reason }) => seen.push(reason));
    const streaming = session.whenStreaming();
    await watch(session);
    expect(await streaming).toBe(session);
    expect(session.viewers()).toMatchObject([{ publicId: '1', role: 'controller', callerId: null }]);
    await session.end();
    expect(seen).toEqual([
      ['join', '1'],
      ['connect', '1'],
      'streaming',
      'terminated',
      ['leave', '1'],
      'deleted',
    ]);
    expect(await codeOf(() => server.router.sessions.get(session.id))).toBe('no_such_session');
  });

  it('reports the page’s messages, patches of the state and a change of control', async () => {
    const session = await liveSession();
    const seen: unknown[] = [];
    session.on('message', (message) => seen.push(message));
    session.on('control', (control) => seen.push(control));
    const stop = session.on('state', ({ metadata }) => seen.push(metadata.page));
    const listener = server.parts.launches[0]?.listener;
    listener?.onPageMessage({ from: 'page' });
    listener?.onPageMetadata({ score: 1 }, 0);
    await server.parts.clock.advance(1000);
    await settle();
    stop();
    await watch(session);
    await server.parts.clock.advance(1000);
    expect(seen).toEqual([{ from: 'page' }, { score: 1 }, { controllerId: '1' }]);
  });

  it('survives a listener that throws', async () => {
    const session = await liveSession();
    const seen: unknown[] = [];
    session.on('message', () => {
      throw new Error('of the application');
    });
    session.on('message', (message) => seen.push(message));
    server.parts.launches[0]?.listener.onPageMessage(1);
    expect(seen).toEqual([1]);
  });

  it('delivers state and messages to the page, the state also before the page is there', async () => {
    const session = await server.router.sessions.create({ targetUrl });
    session.setPageState({ round: 1 });
    expect(await codeOf(() => session.message('early'))).toBe('unavailable');
    server.parts.launches[0]?.succeed();
    await session.whenReady();
    session.setPageState({ round: 2 });
    session.message({ hello: 'page' });
    expect(server.parts.pageStates).toEqual([{ round: 1 }, { round: 2 }]);
    expect(server.parts.messagesToPage).toEqual([{ hello: 'page' }]);
    expect(await codeOf(() => session.setPageState('x'.repeat(300_000)))).toBe('too_large');
    expect(await codeOf(() => session.setPageState(undefined))).toBe('unprocessable');
  });

  it('takes snapshots, is reconfigured and signs tokens', async () => {
    await serve({ streamTokens: { secret: 'a secret of at least 32 characters' } });
    const session = await liveSession();
    expect(await session.snapshot()).toEqual(await server.parts.snapshotResult());
    expect(await session.reconfigure({ frameRate: 12 })).toMatchObject({ frameRate: 12 });
    expect(await codeOf(() => session.reconfigure({ frameRate: 0 }))).toBe('bad_request');
    const patch = (change: object): ReturnType<typeof ask> =>
      ask(`${server.url}/${session.id}`, {
        method: 'PATCH',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(change),
      });
    const values = { resolution: '640x360', frameRate: 15, maxBitrateBps: 600_000 };
    expect(await patch(values)).toMatchObject({ status: 200, json: values });
    // Nothing of it is done.
    expect(await patch({ frameRate: 30, maxBitrate: 1 })).toMatchObject({ status: 400 });
    expect(await patch({})).toMatchObject({ status: 200, json: values });
    expect(session.createStreamToken({ scope: ['state'] })).toMatch(/^skt1\./);
    await session[Symbol.asyncDispose]();
    expect(await codeOf(() => session.snapshot())).toBe('conflict');
  });

  it('waits for a page that fails with the error of the session', async () => {
    const session = await server.router.sessions.create({ targetUrl });
    const waiting = codeOf(() => session.whenStreaming());
    server.parts.launches[0]?.fail(new Error('broken'));
    expect(await waiting).toBe('internal');
    expect(await codeOf(() => session.whenReady())).toBe('internal');
  });

  it('waits no longer than its signal says', async () => {
    const session = await server.router.sessions.create({ targetUrl });
    const abort = new AbortController();
    const waiting = codeOf(() => session.whenStreaming({ signal: abort.signal }));
    abort.abort(new Error('enough'));
    expect(await waiting).toBe('Error: enough');
  });
});

describe('the control of a session', () => {
  /** A viewer over HTTP, and what it asks for. */
  async function join(
    session: StreamKitSession,
  ): Promise<{ stream: EventStreamClient; say: (type: string, payload?: object) => Promise<number> }> {
    const stream = await watch(session);
    const { viewerId } = await stream.signal<{ viewerId: string }>('viewer');
    const say = async (type: string, payload: object = {}): Promise<number> =>
      (await postJson(`${server.url}/${session.id}/signal`, { viewerId, type, payload })).status;
    return { stream, say };
  }

  it('of the application is taken over by a viewer and given back, and input of clients waits meanwhile', async () => {
    server.parts.controlOptions = controlOptions({ policy: 'automation' }, 'control');
    const session = await liveSession();
    expect(session.control.hasControl).toBe(true);
    expect(session.state.metadata.controllerId).toBe('automation');
    const { say } = await join(session);
    expect(session.viewers()).toMatchObject([{ role: 'viewer' }]);
    const seen: unknown[] = [];
    session.on('control', ({ controllerId }) => seen.push(controllerId));
    expect(await say('request_control')).toBe(204);
    expect(session.control.hasControl).toBe(false);
    const back = session.control.request();
    await settle();
    expect(await say('release_control')).toBe(204);
    await back;
    expect(seen).toEqual(['1', 'automation']);
    expect(server.parts.programInputs).toEqual(['hold', 'pass', 'hold', 'pass']);
  });

  it('mixes with that of DevTools clients until the application asks for it', async () => {
    const session = await liveSession();
    const { stream, say } = await join(session);
    expect(server.parts.programInputs).toEqual(['pass']);
    const granted = session.control.request();
    expect(await stream.signal('control_requested')).toMatchObject({ publicId: 'automation' });
    expect(server.parts.programInputs.at(-1)).toBe('refuse');
    expect(await say('give_control', { publicId: 'automation' })).toBe(204);
    await granted;
    expect(await stream.signal('role')).toEqual({ role: 'viewer', controllerId: 'automation' });
    expect(server.parts.programInputs.at(-1)).toBe('pass');
    const asked: string[] = [];
    session.on('control_requested', ({ publicId }) => asked.push(publicId));
    await say('request_control');
    expect(asked).toEqual(['1']);
    session.control.give('1');
    expect(session.control.hasControl).toBe(false);
    expect(await codeOf(() => session.control.give('1'))).toBe('forbidden');
  });

  it('is handed over to the viewer that asks next, until that viewer gives it back', async () => {
    server.parts.controlOptions = controlOptions({ policy: 'automation' }, 'control');
    const session = await liveSession();
    const { say } = await join(session);
    const back = session.control.handOver();
    expect(session.control.hasControl).toBe(false);
    await say('request_control');
    await say('release_control');
    await back;
    expect(session.control.hasControl).toBe(true);
  });

  it('is waited for no longer than a signal says, nor than the session lives', async () => {
    const session = await liveSession();
    const { say } = await join(session);
    const abort = new AbortController();
    const waiting = codeOf(() => session.control.request({ signal: abort.signal }));
    await settle();
    abort.abort(new Error('enough'));
    expect(await waiting).toBe('Error: enough');
    const { control } = session;
    // It asks no more: when the viewer gives control back, nobody gets it.
    await say('release_control');
    expect([control.hasControl, session.state.metadata.controllerId]).toEqual([false, null]);
    await say('request_control');
    const ended = codeOf(() => control.request());
    await settle();
    await session.end();
    expect(await ended).toBe('conflict');
    expect(await codeOf(() => control.handOver())).toBe('conflict');
  });

  it('is had by nobody with the policy none, and input of clients goes on', async () => {
    server.parts.controlOptions = controlOptions({ policy: 'none' }, 'control');
    const session = await liveSession();
    expect(await codeOf(() => session.control.request())).toBe('forbidden');
    expect(await codeOf(() => session.control.handOver())).toBe('forbidden');
    expect(session.control.input).toBe('pass');
  });

  it('is refused to the application by a policy', async () => {
    const asked: unknown[] = [];
    const policy = ({ publicId }: ControlRequest): boolean => {
      asked.push(publicId);
      return publicId !== 'automation';
    };
    server.parts.controlOptions = controlOptions({ policy }, 'control');
    const session = await liveSession();
    expect(await codeOf(() => session.control.request())).toBe('forbidden');
    expect(asked).toEqual(['automation']);
  });
});

describe('the DevTools protocol', () => {
  /** Asks for it by a handshake. */
  function knock(id: string, version = 'Sec-WebSocket-Version: 13\r\n'): Socket {
    const client = connect(Number(new URL(server.url).port), '127.0.0.1');
    client.write(
      `GET /${id}/cdp HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${version}\r\n`,
    );
    return client;
  }

  it('is served with the option cdp alone, by an upgrade', async () => {
    const codeOfGet = async (): Promise<string> => {
      const { id } = await server.router.sessions.create({ targetUrl });
      return (await ask(`${server.url}/${id}/cdp`)).json.error.code as string;
    };
    expect(await codeOfGet()).toBe('not_found');
    await serve({ cdp: true });
    expect(await codeOfGet()).toBe('upgrade_required');
  });

  it('is refused to others than the owner', async () => {
    await serve({
      cdp: true,
      validateRequest: () => ({ authorized: true, callerId: 'bob', role: 'owner' }),
    });
    const { id } = await server.router.sessions.create({ targetUrl }, { owner: 'ann' });
    expect((await ask(`${server.url}/${id}/cdp`)).status).toBe(403);
  });

  it('is opened by one caller only so often', async () => {
    await serve({
      cdp: true,
      rateLimits: { joinsPerMinute: 1 },
      validateRequest: () => ({ authorized: true, callerId: 'ann', role: 'owner' }),
    });
    server.router.attach(server.server);
    const session = await liveSession('ann');
    server.parts.debuggerPath = () => Promise.reject(new StreamKitError('at_capacity', 'Eight are there'));
    const answers: string[] = [];
    for (let i = 0; i < 2; i++) answers.push(await text(knock(session.id)));
    expect(answers[0]).toMatch(/^HTTP\/1\.1 429 [^]*Eight are there/);
    expect(answers[1]).toMatch(/^HTTP\/1\.1 429 [^]*\r\nRetry-After: \d+\r\n[^]*Too many joins/i);
  });

  it.each([
    ['of another version of WebSocket', 'Sec-WebSocket-Version: 12\r\n', /^HTTP\/1\.1 400 /],
    ['that leaves before it is passed on', 'Sec-WebSocket-Version: 13\r\n', undefined],
  ])('does not keep a session for a client %s', async (_name, version, answer) => {
    await serve({ cdp: true, sessionTimeout: 60_000 });
    server.router.attach(server.server);
    const session = await liveSession();
    let passOn: ((path: string) => void) | undefined;
    server.parts.debuggerPath = () => new Promise((resolve) => (passOn = resolve));
    const client = knock(session.id, version);
    if (answer === undefined) {
      const [, accepted] = (await once(server.server, 'upgrade')) as [unknown, Socket];
      const letIn = await until(() => {
        if (passOn === undefined) throw new Error('It is not let in yet');
        return passOn;
      });
      await once(accepted.destroy(), 'close');
      letIn('/nowhere');
      client.destroy();
    } else {
      expect(await text(client)).toMatch(answer);
    }
    await settle();
    await server.parts.clock.advance(61_000);
    expect(session.state.status).toBe('terminated');
  });
});
