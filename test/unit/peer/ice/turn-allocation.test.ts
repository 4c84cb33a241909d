import { createHash } from 'node:crypto';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { classes, Message, methods, parseMessage } from 'werift';

import type { RelaySocket } from '../../../../src/fanout/media-plane.js';
import { reasonOf, TurnAllocation } from '../../../../src/peer/ice/turn-allocation.js';
import { FakeSocket } from '../../../helpers/fake-ice-endpoint.js';
import { until } from '../../../helpers/patience.js';
import { settle, VirtualClock } from '../../../helpers/virtual-clock.js';

const SERVER = {
  kind: 'turn',
  transport: 'udp',
  host: '127.0.0.1',
  port: 3478,
  username: 'somebody',
  credential: 'a password',
} as const;
const KEY = createHash('md5').update('somebody:test:a password').digest();
const PEER = ['192.0.2.1', 5000] as const;
const MINUTE_MS = 60_000;

/** A socket to a TURN server, which is played. */
class PlayedServer extends FakeSocket implements RelaySocket {
  onAnswer: RelaySocket['onAnswer'] = () => undefined;
  onEnded: RelaySocket['onEnded'] = () => undefined;
  readonly channels = new Map<number, string>();
  /** Methods of signed requests, in order. */
  readonly asked: methods[] = [];
  nonce = 'first';
  /** Refuses signed requests by it. */
  refusal: number | undefined;
  isSilent = false;
  onAsked: () => void = () => undefined;

  constructor() {
    super('127.0.0.1');
  }

  sendToServer(bytes: Uint8Array): void {
    const request = parseMessage(Buffer.from(bytes));
    queueMicrotask(() => this.onAsked());
    if (request === undefined || this.isSilent) return;
    const answer = this.#answer(request, Buffer.from(bytes));
    queueMicrotask(() => this.onAnswer(answer));
  }

  bindChannel(channel: number, address: string, port: number): void {
    if (address.includes('%')) throw Object.assign(new Error('No address'), { code: 'EINVAL' });
    this.channels.set(channel, `${address}:${port}`);
  }

  unbindChannel(channel: number): void {
    this.channels.delete(channel);
  }

  #answer(request: Message, bytes: Buffer): Buffer {
    const { messageMethod: method, transactionId } = request;
    const refuse = (code: number): Message =>
      new Message(method, classes.ERROR, transactionId).setAttribute('ERROR-CODE', [code, 'No\0']);
    const challenge = (code: number): Buffer =>
      refuse(code).setAttribute('REALM', 'test').setAttribute('NONCE', Buffer.from(this.nonce)).bytes;
    if (!request.attributesKeys.includes('MESSAGE-INTEGRITY')) return challenge(401);
    if (parseMessage(bytes, KEY) === undefined) return challenge(401);
    if (String(request.getAttributeValue('NONCE')) !== this.nonce) return challenge(438);
    this.asked.push(method);
    if (this.refusal !== undefined) return refuse(this.refusal).addMessageIntegrity(KEY).bytes;
    const answer = new Message(method, classes.RESPONSE, transactionId).setAttribute('LIFETIME', 600);
    if (method === methods.ALLOCATE) {
      answer.setAttribute('XOR-RELAYED-ADDRESS', ['192.0.2.9', 6000]);
      answer.setAttribute('XOR-MAPPED-ADDRESS', ['192.0.2.8', 7000]);
    }
    return answer.addMessageIntegrity(KEY).addFingerprint().bytes;
  }
}

let server: PlayedServer;
let clock: VirtualClock;
let allocation: TurnAllocation;
let ended: string[];

const open = (
  credential: string = SERVER.credential,
  to = server,
  transport: 'udp' | 'tcp' = SERVER.transport,
): Promise<TurnAllocation> =>
  TurnAllocation.open(
    { ...SERVER, credential, transport },
    { localAddress: undefined, timeoutMs: 3000, clock, openSocket: () => to },
  );

beforeEach(async () => {
  server = new PlayedServer();
  clock = new VirtualClock();
  ended = [];
  allocation = await open();
  allocation.onEnded = (reason) => ended.push(reason);
  server.asked.length = 0;
});

afterEach(async () => {
  const closed = allocation.close();
  await clock.advance(1000);
  await closed;
  expect(clock.pendingTimers).toBe(0);
  expect(server.closed).toBe(true);
});

/** What a candidate pair sends. */
const send = (text: string, [host, port]: readonly [string, number] = PEER): Promise<void> =>
  allocation.protocol.sendData(Buffer.from(text), [host, port]);
const sent = (): string[] => server.sent.map(({ data, to }) => `${Buffer.from(data).toString()} ${to}`);

describe('an allocation at a TURN server on a socket of the media plane', () => {
  it('binds a channel to a peer before anything is sent there, and renews it before its permission ends', async () => {
    await send('one');
    await send('two');
    expect([...server.channels]).toEqual([[0x4000, '192.0.2.1:5000']]);
    expect(sent()).toEqual([]);
    await until(() => expect(sent()).toEqual(['one 192.0.2.1:5000', 'two 192.0.2.1:5000']));
    await send('three', ['192.0.2.1', 5001]);
    await until(() => expect(sent()).toHaveLength(3));
    expect(server.asked).toEqual([methods.CHANNEL_BIND, methods.CHANNEL_BIND]);
    expect([...server.channels.keys()]).toEqual([0x4000, 0x4001]);
    await clock.advance(4.5 * MINUTE_MS);
    expect(server.asked).toHaveLength(4);
    await clock.advance(30 * MINUTE_MS);
    expect(server.asked.filter((method) => method === methods.CHANNEL_BIND).length).toBeGreaterThan(14);
    expect(server.asked).toContain(methods.REFRESH);
    expect(ended).toEqual([]);
  });

  it('binds one channel to an IPv6 address however it is spelled', async () => {
    const spellings = ['2001:db8::1', '2001:DB8:0:0::0001', '2001:db8:0:0:0:0:0:1'];
    for (const address of spellings) await send('one', [address, 5000]);
    await send('one', ['2001:db8::2', 5000]);
    await until(() => expect(sent()).toHaveLength(4));
    expect([...server.channels]).toEqual([
      [0x4000, '2001:db8::1:5000'],
      [0x4001, '2001:db8::2:5000'],
    ]);
  });

  it('drops what is sent to a peer that the server refuses, and asks for it again the next time', async () => {
    server.refusal = 403;
    await send('one');
    await until(() => expect(server.asked).toHaveLength(1));
    await until(() => expect(server.channels.size).toBe(0));
    server.refusal = undefined;
    await send('two');
    await until(() => expect(sent()).toEqual(['two 192.0.2.1:5000']));
    expect([...server.channels.keys()]).toEqual([0x4000]);
  });

  it('refuses a peer whose address the plane cannot read, and serves the others', async () => {
    for (const _ of [1, 2]) {
      await expect(send('one', ['fe80::1%nowhere', 5000])).rejects.toMatchObject({ code: 'EINVAL' });
    }
    await send('two');
    await until(() => expect(sent()).toEqual(['two 192.0.2.1:5000']));
    expect(server.channels.size).toBe(1);
  });

  it('has few channels, and little that waits for one', async () => {
    server.isSilent = true;
    for (let index = 0; index < 100; index++) await send(`${index}`, ['192.0.2.1', 5000 + index]);
    expect(server.channels.size).toBe(32);
    for (let index = 0; index < 100; index++) await send('more');
    server.isSilent = false;
    // The requests are repeated.
    await until(() => expect(new Set(server.sent.map(({ to }) => to)).size).toBe(32));
    expect(sent().filter((each) => each.endsWith(':5000'))).toHaveLength(16);
  });

  it('goes on with another nonce where the server wants one', async () => {
    await send('one');
    await until(() => expect(sent()).toHaveLength(1));
    server.nonce = 'second';
    await send('two', ['192.0.2.2', 1]);
    await until(() => expect(sent()).toHaveLength(2));
    server.nonce = 'third';
    await clock.advance(15 * MINUTE_MS);
    expect(server.asked.filter((method) => method === methods.REFRESH).length).toBeGreaterThan(0);
    expect(ended).toEqual([]);
  });

  it('ends at once when the server does not have it any more', async () => {
    server.refusal = 437;
    await clock.advance(9 * MINUTE_MS);
    expect(server.asked).toEqual([methods.REFRESH]);
    expect(ended).toEqual(['437 No']);
    expect(server.closed).toBe(true);
  });

  it('ends at once with its connection', async () => {
    server.onEnded('the connection has ended');
    expect(ended).toEqual(['the connection has ended']);
    await settle();
    expect(server.asked).toEqual([]);
    expect(server.closed).toBe(true);
  });

  it('fails if the connection cannot be made', async () => {
    const other = new PlayedServer();
    other.isSilent = true;
    other.onAsked = () => other.onEnded('the connection has ended');
    await expect(open(SERVER.credential, other)).rejects.toThrow('the connection has ended');
    expect(other.closed).toBe(true);
  });

  it('is given back if the answer comes too late by UDP', async () => {
    const other = new PlayedServer();
    other.isSilent = true;
    const refused = expect(open(SERVER.credential, other)).rejects.toThrow('no answer in time');
    await clock.advance(3000);
    await refused;
    other.isSilent = false;
    // The request is repeated.
    await until(() => expect(other.closed).toBe(true));
    expect(other.asked).toEqual([methods.ALLOCATE, methods.REFRESH]);
  });

  it('closes a stream at once if there is no answer in time', async () => {
    const other = new PlayedServer();
    other.isSilent = true;
    const opening = open(SERVER.credential, other, 'tcp');
    const refused = expect(opening).rejects.toThrow('no answer in time');
    await clock.advance(2999);
    expect(other.closed).toBe(false);
    await clock.advance(1);
    await refused;
    expect(other.closed).toBe(true);
  });

  it('ends with its lifetime when the server renews it no more', async () => {
    server.refusal = 500;
    await clock.advance(9.9 * MINUTE_MS);
    expect(server.asked.length).toBeGreaterThan(1);
    expect(ended).toEqual([]);
    await clock.advance(0.2 * MINUTE_MS);
    expect(ended).toEqual(['500 No']);
    expect(server.closed).toBe(true);
  });

  it('believes nobody who has not seen its requests', async () => {
    await send('one');
    await until(() => expect(sent()).toHaveLength(1));
    for (const code of [401, 437, 438]) {
      const forged = new Message(methods.REFRESH, classes.ERROR).setAttribute('ERROR-CODE', [code, 'Gone']);
      server.onAnswer(forged.setAttribute('NONCE', Buffer.from('forged')).bytes);
    }
    await settle();
    await clock.advance(8.5 * MINUTE_MS);
    expect(server.asked).toContain(methods.REFRESH);
    expect(ended).toEqual([]);
  });

  it('is given back when it is closed', async () => {
    await send('one');
    await until(() => expect(sent()).toHaveLength(1));
    server.asked.length = 0;
    const closed = allocation.close();
    expect(server.closed).toBe(false);
    await closed;
    expect(server.asked).toEqual([methods.REFRESH]);
    expect(server.closed).toBe(true);
    await send('two');
    expect(sent()).toHaveLength(1);
  });

  it('says that its credentials are refused', async () => {
    const reason = await open('another').then(
      () => '',
      (thrown: unknown) => reasonOf(thrown),
    );
    expect(reason).toBe('401 No');
  });
});
