import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { ERROR_STATUS } from '../../src/base/errors.js';
import type { AbuseServer } from '../helpers/abuse-server.js';
import { startAbuseServer } from '../helpers/abuse-server.js';
import type { AbusiveRequest } from '../helpers/mutated-requests.js';
import { mutated, PLAYER_OFFER, validRequests } from '../helpers/mutated-requests.js';
import { extraHandles, resourcesInUse, resourcesLeft } from '../helpers/resources.js';
import { ask, EventStreamClient, postJson } from '../helpers/router-server.js';
import { seededRandom } from '../helpers/seeded-random.js';
import { SEED } from '../helpers/seed.js';

/** By each of two ways: ten thousand in all. */
const REQUESTS = Number(process.env.ABUSE_REQUESTS ?? 5000);
const PARALLEL = 8;

interface Answered {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

type Send = (request: AbusiveRequest) => Promise<Answered | undefined>;

let server: AbuseServer;
let directory: string;
let agent: Agent;
const uncaught: unknown[] = [];
const onUncaught = (error: unknown): void => void uncaught.push(error);

beforeAll(async () => {
  process.on('unhandledRejection', onUncaught).on('uncaughtException', onUncaught);
  directory = await mkdtemp(join(tmpdir(), 'abuse-'));
});
afterAll(async () => {
  process.off('unhandledRejection', onUncaught).off('uncaughtException', onUncaught);
  await rm(directory, { recursive: true });
});

/** A client of the server that looks at the head of an event stream and goes. */
function overHttp({ method, target, headers, body }: AbusiveRequest): Promise<Answered | undefined> {
  return new Promise((resolve, reject) => {
    const all = { ...headers, 'content-length': body.length };
    const options = { port: server.port, host: '127.0.0.1', method, path: target, headers: all, agent };
    const sent = httpRequest(options, (response) => {
      const type = response.headers['content-type'] ?? '';
      const status = response.statusCode ?? 0;
      if (type.startsWith('text/event-stream')) {
        response.destroy();
        resolve({ status, type, text: '' });
        return;
      }
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve({ status, type, text: Buffer.concat(chunks).toString() }));
      response.on('error', reject);
    });
    // The server may answer and close before it has all of a body that is too long.
    sent.on('error', () => resolve(undefined));
    sent.end(body);
  });
}

async function throughFetch({
  method,
  target,
  headers,
  body,
}: AbusiveRequest): Promise<Answered | undefined> {
  const abort = new AbortController();
  let made: Request;
  try {
    const hasBody = method !== 'GET' && method !== 'HEAD' && body.length > 0;
    const init = {
      method,
      headers: { ...headers, 'content-length': String(body.length) },
      signal: abort.signal,
    };
    made = new Request(`http://127.0.0.1${target}`, hasBody ? { ...init, body: new Uint8Array(body) } : init);
  } catch {
    // Some things no host could make a request of.
    return undefined;
  }
  const response = await server.router.fetch(made, { remoteAddress: '127.0.0.1' });
  const type = response.headers.get('content-type') ?? '';
  const events = type.startsWith('text/event-stream');
  const text = events ? '' : await response.text();
  abort.abort();
  return { status: response.status, type, text };
}

/** What of an answer is not as documented. */
function faultOf(request: AbusiveRequest, { status, type, text }: Answered): string | undefined {
  if (status < 400 || request.method === 'HEAD') return undefined;
  // Those of the health tell it with their status.
  if (request.target.startsWith('/healthz') && status === 503) return undefined;
  if (!type.startsWith('application/json')) return 'no JSON';
  const { error } = JSON.parse(text) as { error: { code: string; message: string } };
  if (!Object.hasOwn(ERROR_STATUS, error.code)) return 'no code';
  if (status === 500 || error.code === 'internal') return 'a fault of the server';
  if (!/^[^\n]{3,300}$/.test(error.message)) return 'no sentence';
  return /node_modules|\.ts:|at \w+ \(/.test(text) ? 'a stack' : undefined;
}

/** A session with a viewer, a player and a recording, and a valid request for everything that they can be asked. */
async function newTargets(): Promise<AbusiveRequest[]> {
  const id = await server.liveSession();
  const session = `${server.url}/${id}`;
  const events = await EventStreamClient.open(`${session}/sse`);
  const { viewerId } = await events.signal<{ viewerId: string }>('viewer');
  const headers = { 'content-type': 'application/sdp' };
  const player = await ask(`${session}/whep`, { method: 'POST', headers, body: PLAYER_OFFER });
  const playerId = player.headers.get('location')?.split('/').at(-1) ?? '';
  const recording = await postJson(`${session}/recordings`, {});
  const recordingId = String(recording.json.recordingId);
  const token = server.router.createStreamToken({ streamId: id });
  return validRequests({ id, viewerId, playerId, recordingId, token });
}

async function abuse(send: Send, seed: number): Promise<Map<number, number>> {
  const random = seededRandom(seed);
  const statuses = new Map<number, number>();
  let targets = await newTargets();
  let age = 0;
  for (let sent = 0; sent < REQUESTS; sent += PARALLEL) {
    const requests = Array.from({ length: PARALLEL }, () => mutated(targets, random));
    await Promise.all(
      requests.map(async (request) => {
        const answered = await send(request);
        const status = answered?.status ?? 0;
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        const fault = answered && faultOf(request, answered);
        if (answered === undefined || fault === undefined) return;
        const { method, target, headers, body } = request;
        const shown = [method, target, JSON.stringify(headers), body.subarray(0, 300).toString()].join(' ');
        throw new Error(
          `${fault}, seed ${seed}: ${shown} was answered ${status} ${answered.text.slice(0, 300)}`,
        );
      }),
    );
    for (const launch of server.parts.launches.splice(0)) launch.succeed();
    // What was made, and what was ended, must not be all that the rest meets.
    age += 1;
    const hasEnded = !server.router.health().checks.capacity || age === 50;
    if (!hasEnded) continue;
    age = 0;
    const ended = server.streamIds.splice(0);
    await Promise.all(ended.map((id) => ask(`${server.url}/${id}`, { method: 'DELETE' })));
    targets = await newTargets();
  }
  return statuses;
}
async function run(send: Send, seed: number): Promise<Map<number, number>> {
  server = await startAbuseServer({
    ...{ maxSessions: 6, maxViewersPerSession: 8, viewerReattachMs: 0, stateUpdateInterval: 10 },
    ...{ recording: { directory, maxRecordings: 4 }, hls: {}, metrics: true, health: true },
    rateLimits: { sessionsPerMinute: 10_000, joinsPerMinute: 10_000, signalsPerSecond: 1000 },
    streamTokens: { secret: 'a secret of at least thirty-two bytes' },
    validateRequest: () => ({ authorized: true }),
  });
  agent = new Agent({ keepAlive: true, maxSockets: PARALLEL });
  try {
    return await abuse(send, seed);
  } finally {
    agent.destroy();
    await server.close();
    expect(uncaught).toEqual([]);
    expect(server.errors).toEqual([]);
  }
}

describe(`mutations of valid requests, seed ${SEED}`, () => {
  it('are answered as documented and leave nothing behind', { timeout: 120_000 }, async () => {
    const first = await resourcesInUse();
    const overWire = await run(overHttp, SEED);
    const second = await resourcesLeft(first);
    const inProcess = await run(throughFetch, SEED + 1);
    const third = await resourcesLeft(first);
    // Some of each kind: what is refused at the door tests nothing behind it.
    for (const statuses of [overWire, inProcess]) {
      const kinds = [200, 201, 204, 400, 401, 404, 405, 415];
      expect([...statuses.keys()]).toEqual(expect.arrayContaining(kinds));
    }
    expect([...extraHandles(second, first), ...extraHandles(third, first)]).toEqual([]);
    expect(third.heapBytes - second.heapBytes).toBeLessThan(16 * 1024 * 1024);
  });
});
