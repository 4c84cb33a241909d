import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { StreamKitOptions } from '../../../src/options/stream-kit-options.js';
import type { SessionUsage } from '../../../src/protocol/session-usage.js';
import type { StreamKitSession } from '../../../src/session/stream-kit-session.js';
import { samplesOf } from '../../helpers/exposition.js';
import {
  ask,
  EventStreamClient,
  postJson,
  serveRouter,
  type RouterServer,
} from '../../helpers/router-server.js';
import { settle } from '../../helpers/virtual-clock.js';

const targetUrl = 'https://game.example.org/';
let server: RouterServer;

beforeEach(async () => {
  server = await serveRouter();
});
afterEach(() => server.close());

async function serve(options: StreamKitOptions): Promise<void> {
  await server.close();
  server = await serveRouter(options);
}

async function liveSession(budget?: object): Promise<StreamKitSession> {
  const session = await server.router.sessions.create({
    targetUrl,
    ...(budget === undefined ? {} : { budget }),
  });
  server.parts.launches.at(-1)?.succeed();
  return session.whenReady();
}

/** A viewer over HTTP, whose peer is connected; it gets as many bytes of pictures and of sound. */
async function watch(session: StreamKitSession, bytesSent = 0): Promise<EventStreamClient> {
  const stream = await EventStreamClient.open(`${server.url}/${session.id}/sse`);
  await stream.signal('sdp_offer');
  server.parts.peers.at(-1)?.connect();
  for (const { consumers } of server.parts.producers) {
    for (const { stats } of consumers) stats.bytesSent = bytesSent;
  }
  return stream;
}

describe('usage', () => {
  it('adds up CPU time, bytes, frames and the time of all viewers', async () => {
    const { parts } = server;
    const session = await liveSession();
    expect(session.usage).toEqual({
      ...{
        durationMs: 0,
        cpuSeconds: null,
        gpuSeconds: null,
        bytesSent: 0,
        viewerMinutes: 0,
        framesEncoded: 0,
      },
    });
    const first = await watch(session);
    await parts.clock.advance(60_000);
    const second = await watch(session, 1000);
    parts.videoListener?.onEncodedFrame({
      ...{ codec: 'h264', bytes: new Uint8Array(7), keyframe: true, rtpTimestamp: 1, rung: 0 },
      ...{ captureTimeUs: 1000, readTimeUs: 9000, encodedTimeUs: 12_000, repeated: false },
    });
    parts.cpuSeconds = 12.5;
    await parts.clock.advance(60_000);
    expect(session.usage).toEqual({
      ...{
        durationMs: 120_000,
        cpuSeconds: 12.5,
        gpuSeconds: null,
        bytesSent: 4000,
        viewerMinutes: 3,
        framesEncoded: 1,
      },
    });
    const samples = samplesOf(await server.router.metrics());
    expect(samples.get('stream_kit_session_cpu_seconds_total')).toBe(12.5);
    expect(samples.get('stream_kit_viewer_seconds_total')).toBe(180);
    first.abort();
    second.abort();
  });

  it('is looked at a last time before the process ends, and stays as it was then', async () => {
    const { parts } = server;
    const session = await liveSession();
    const ended = new Promise<SessionUsage | undefined>((resolve) =>
      session.on('ended', ({ usage }) => resolve(usage)),
    );
    await parts.clock.advance(1000);
    parts.cpuSeconds = 3;
    await session.end();
    parts.cpuSeconds = 4;
    await parts.clock.advance(60_000);
    const last = {
      durationMs: 1000,
      cpuSeconds: 3,
      gpuSeconds: null,
      bytesSent: 0,
      viewerMinutes: 0,
      framesEncoded: 0,
    };
    expect([session.usage, await ended]).toEqual([last, last]);
    const samples = samplesOf(await server.router.metrics());
    expect(samples.get('stream_kit_session_cpu_seconds_total')).toBe(3);
    expect(parts.clock.pendingTimers).toBe(0);
  });

  it.each([
    ['return=representation', 200],
    ['respond-async, Return="Representation"; x=1', 200],
    ['return=minimal', 204],
    [undefined, 204],
  ])('is the answer to DELETE with Prefer: %s, or not', async (prefer, expected) => {
    const session = await liveSession();
    await server.parts.clock.advance(2000);
    const headers: HeadersInit = prefer === undefined ? {} : { prefer };
    const {
      status,
      json,
      headers: answered,
    } = await ask(`${server.url}/${session.id}`, {
      ...{ method: 'DELETE', headers },
    });
    expect([status, json?.streamId, json?.usage.durationMs]).toEqual(
      expected === 200 ? [200, session.id, 2000] : [204, undefined, undefined],
    );
    expect(answered.get('preference-applied')).toBe(expected === 200 ? 'return=representation' : null);
  });
});

describe('a budget', () => {
  const spent = async (session: StreamKitSession): Promise<unknown[]> => {
    await settle();
    const { json } = await ask(`${server.url}/${session.id}`);
    return [json.status, json.error];
  };

  it('ends a session that lives too long', async () => {
    await serve({ sessionBudget: { maxDurationMs: 30_000 } });
    const ends: unknown[] = [];
    const session = await liveSession();
    session.on('ended', ({ reason, code }) => ends.push([reason, code]));
    await server.parts.clock.advance(29_999);
    expect(session.state.status).toBe('connecting');
    await server.parts.clock.advance(1);
    expect(await spent(session)).toEqual(['error', 'The session has used as much as maxDurationMs permits']);
    expect(ends).toEqual([['error', 'budget_exceeded']]);
  });

  it('ends a session that sends too much', async () => {
    const session = await liveSession({ maxBytes: 3999 });
    const viewer = await watch(session, 1000);
    await server.parts.clock.advance(5000);
    expect(session.state.status).toBe('streaming');
    const other = await watch(session, 1000);
    await server.parts.clock.advance(5000);
    expect(await spent(session)).toEqual(['error', 'The session has used as much as maxBytes permits']);
    expect(await viewer.signal('closed')).toEqual({ reason: 'error' });
    other.abort();
  });

  it('ends a session that computes too much', async () => {
    const session = await liveSession({ maxCpuSeconds: 10 });
    server.parts.cpuSeconds = 10;
    await server.parts.clock.advance(10_000);
    expect(session.state.status).toBe('connecting');
    server.parts.cpuSeconds = 11;
    await server.parts.clock.advance(10_000);
    expect(await spent(session)).toEqual(['error', 'The session has used as much as maxCpuSeconds permits']);
  });

  it('of a request lowers that of the server and does not raise it', async () => {
    await serve({ sessionBudget: { maxDurationMs: 30_000 } });
    const low = await liveSession({ maxDurationMs: 10_000 });
    const high = await liveSession({ maxDurationMs: 90_000 });
    await server.parts.clock.advance(10_000);
    expect([low.state.status, high.state.status]).toEqual(['error', 'connecting']);
    await server.parts.clock.advance(20_000);
    expect(high.state.status).toBe('error');
  });

  it.each([
    [{ maxDurationMs: 10 }, 'budget.maxDurationMs'],
    [{ maxBytes: '1' }, 'budget.maxBytes'],
    [{ minutes: 1 }, 'minutes'],
    [[], 'budget'],
  ])('that is %j is refused', async (budget, name) => {
    const { status, json } = await postJson(server.url, { targetUrl, budget });
    expect([status, json.error.code]).toEqual([400, 'bad_request']);
    expect(json.error.message).toContain(name);
  });

  it('of a terminal is refused', async () => {
    await serve({ terminal: { enabled: true } });
    const { status, json } = await postJson(server.url, { terminal: {}, budget: { maxBytes: 1 } });
    expect([status, json.error.message]).toEqual([400, 'Expected no budget for a terminal']);
  });
});
