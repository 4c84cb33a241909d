import { createHmac } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { silentLogger } from '../../../src/base/logger.js';
import { webhookOptions, type WebhookEvent } from '../../../src/options/webhook-options.js';
import { Webhooks } from '../../../src/observe/webhooks.js';
import { samplesOf } from '../../helpers/exposition.js';
import { until } from '../../helpers/patience.js';
import { serveRouter } from '../../helpers/router-server.js';
import { settle, VirtualClock } from '../../helpers/virtual-clock.js';

const secret = 'a secret of at least twenty-four bytes';

interface Received {
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
  readonly json: { type: string; timestamp: string; data: Record<string, unknown> };
}

let receiver: Server;
let url: string;
let received: Received[];
/** What the receiver answers. */
let answer: (response: ServerResponse, count: number) => void;

beforeEach(async () => {
  received = [];
  answer = (response) => void response.writeHead(204).end();
  receiver = createServer((request, response) => {
    void text(request).then((body) => {
      received.push({ headers: request.headers, body, json: JSON.parse(body) });
      answer(response, received.length);
    });
  });
  receiver.listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;
});

afterEach(async () => {
  receiver.closeAllConnections();
  receiver.close();
  await once(receiver, 'close');
});

function open(options: object = {}): {
  webhooks: Webhooks;
  clock: VirtualClock;
  create: (id: string) => void;
} {
  const clock = new VirtualClock();
  const resolved = webhookOptions({ url, secret, ...options }, 'webhooks');
  const webhooks = new Webhooks({ options: resolved, clock, logger: silentLogger });
  return { webhooks, clock, create: (streamId) => webhooks.observe('session:create', { streamId }) };
}

const types = (): string[] => received.map(({ json }) => json.type);

/** Lets retries be due until so many requests have come. */
async function untilReceived(count: number, clock: VirtualClock): Promise<void> {
  await until(async () => {
    await clock.advance(1000);
    expect(received.length).toBeGreaterThanOrEqual(count);
  });
}

describe('webhooks', () => {
  it('tell of a session from its creation to its end, signed', async () => {
    const server = await serveRouter({ webhooks: { url, secret } });
    const session = await server.router.sessions.create({ targetUrl: 'https://game.example.org/' });
    server.parts.launches[0]?.succeed();
    await session.whenReady();
    await session.end();
    await until(() => expect(types()).toEqual(['session.created', 'session.ended']));
    expect(received[1]?.json.data).toEqual({
      ...{ streamId: session.id, reason: 'deleted', ageMs: 0, usage: session.usage },
    });
    await until(async () => {
      const samples = samplesOf(await server.router.metrics());
      expect(samples.get('stream_kit_webhooks_total{outcome="delivered"}')).toBe(2);
    });
    await server.close();
    for (const { headers, body } of received) {
      const { 'webhook-id': id, 'webhook-timestamp': seconds, 'webhook-signature': signature } = headers;
      const hmac = createHmac('sha256', secret).update(`${String(id)}.${String(seconds)}.${body}`);
      expect(signature).toBe(`v1,${hmac.digest('base64')}`);
    }
    expect(new Set(received.map(({ headers }) => headers['webhook-id'])).size).toBe(2);
  });

  it('tell of the first time that a session streams, and of recordings that have ended', async () => {
    const { webhooks } = open();
    const status = (name: 'streaming' | 'connecting', previous: 'streaming' | 'connecting'): void =>
      webhooks.observe('session:status', { streamId: 'one', status: name, previous, ageMs: 1 });
    status('streaming', 'connecting');
    status('connecting', 'streaming');
    status('streaming', 'connecting');
    const recording = {
      streamId: 'one',
      recordingId: 'two',
      status: 'finished',
      durationMs: 5,
      bytes: 6,
    } as const;
    webhooks.observe('recording:end', recording);
    webhooks.observe('viewer:join', { streamId: 'one', viewer: 1 });
    await until(() => expect(types()).toEqual(['session.streaming', 'recording.finished']));
    expect(received[1]?.json.data).toEqual(recording);
    await webhooks.close();
  });

  it('are sent again under the same id with longer and longer waits, and the next one after that', async () => {
    const { webhooks, clock, create } = open();
    answer = (response, count) => void response.writeHead(count <= 3 ? 500 : 200).end();
    create('one');
    create('two');
    for (const [index, waitMs] of [1000, 2000, 4000].entries()) {
      await until(() => expect([received.length, clock.pendingTimers]).toEqual([index + 1, 1]));
      await clock.advance(waitMs - 1);
      await settle();
      expect([received.length, clock.pendingTimers]).toEqual([index + 1, 1]);
      await clock.advance(1);
    }
    await until(() => expect(received).toHaveLength(5));
    const ids = received.map(({ headers }) => headers['webhook-id']);
    expect(ids.slice(0, 4)).toEqual([ids[0], ids[0], ids[0], ids[0]]);
    expect(received.map(({ json }) => json.data.streamId)).toEqual(['one', 'one', 'one', 'one', 'two']);
    await webhooks.close();
    expect(webhooks.counts).toEqual({ delivered: 2, failed: 0, dropped: 0 });
  });

  it('are given up after the last attempt', async () => {
    const { webhooks, clock, create } = open();
    answer = (response) => void response.writeHead(302, { location: url }).end();
    create('one');
    await untilReceived(7, clock);
    await until(() => expect(webhooks.counts).toEqual({ delivered: 0, failed: 1, dropped: 0 }));
    await clock.advance(600_000);
    expect(received).toHaveLength(7);
    expect(clock.pendingTimers).toBe(0);
  });

  it('wait in bounded memory: the oldest that wait are dropped', async () => {
    const { webhooks, create } = open();
    let release: () => void = () => undefined;
    answer = (response) => {
      release = () => void response.end();
    };
    for (let count = 0; count < 1010; count += 1) create(String(count));
    await until(() => expect(received).toHaveLength(1));
    expect(webhooks.counts.dropped).toBe(10);
    answer = (response) => void response.end();
    release();
    await until(() => expect(received).toHaveLength(1000));
    expect(received.slice(0, 2).map(({ json }) => json.data.streamId)).toEqual(['0', '11']);
    await webhooks.close();
  });

  it('that the receiver does not take do not hold up the end for long', async () => {
    const { webhooks, clock, create } = open();
    answer = () => undefined;
    create('one');
    create('two');
    await until(() => expect(received).toHaveLength(1));
    const closed = webhooks.close();
    create('three');
    await clock.advance(5000);
    await closed;
    expect(webhooks.counts).toEqual({ delivered: 0, failed: 2, dropped: 0 });
    expect(clock.pendingTimers).toBe(0);
  });

  it('are only those that are asked for', async () => {
    const { webhooks, create } = open({ events: ['session.ended'] satisfies WebhookEvent[] });
    create('one');
    webhooks.observe('session:end', { streamId: 'one', reason: 'deleted', ageMs: 1 });
    await until(() => expect(types()).toEqual(['session.ended']));
    await webhooks.close();
  });
});

describe('the option webhooks', () => {
  it.each([
    [{ url: 'ftp://a', secret }, 'http or https URL'],
    [{ url: 'http://a', secret: 'short' }, 'at least 24 bytes for webhooks.secret'],
    [{ url: 'http://a', secret: 'whsec_c2hvcnQ=' }, 'at least 24 bytes for webhooks.secret'],
    [{ url: 'http://a', secret, events: ['session.gone'] }, 'webhooks.events'],
    [{ url: 'http://a', secret, more: 1 }, 'more'],
  ])('refuses %j', (value, sentence) => {
    expect(() => webhookOptions(value, 'webhooks')).toThrow(sentence);
  });

  it('takes a secret as Standard Webhooks writes it', () => {
    const bytes = Buffer.alloc(24, 7);
    const { secret: key } = webhookOptions({ url, secret: `whsec_${bytes.toString('base64')}` }, 'webhooks');
    expect(key.export()).toEqual(bytes);
  });
});
