import { PassThrough } from 'node:stream';

import { expect, it } from 'vitest';

import { MessageChannel, type MessageFault } from '../../../src/render/message-channel.js';

const LIMIT = 1024;

function open(budget?: { messagesPerSecond: number; bytesPerSecond: number }) {
  const stream = new PassThrough();
  const messages: unknown[] = [];
  const faults: MessageFault[] = [];
  let nowMs = 0;
  const channel = new MessageChannel(
    stream,
    { maxMessageBytes: LIMIT, ...(budget && { budget }) },
    { onMessage: (message) => void messages.push(message), onFault: (fault) => void faults.push(fault) },
    () => nowMs,
  );
  return { stream, channel, messages, faults, at: (ms: number) => (nowMs = ms) };
}

function framed(json: string): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(Buffer.byteLength(json));
  return Buffer.concat([head, Buffer.from(json)]);
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

it.each([1, 3, 4, 5, 1000])('reads messages that come in pieces of %i bytes', async (size) => {
  const { stream, messages, faults } = open();
  const sent = [{ a: 'é' }, [], 'text', { b: 'c'.repeat(300) }];
  const bytes = Buffer.concat(sent.map((message) => framed(JSON.stringify(message))));
  for (let at = 0; at < bytes.length; at += size) stream.write(bytes.subarray(at, at + size));
  await settled();
  expect(messages).toEqual(sent);
  expect(faults).toEqual([]);
});

it.each([
  ['oversized', framed(`"${'a'.repeat(LIMIT)}"`).subarray(0, 4)],
  ['oversized', Buffer.from([0xff, 0xff, 0xff, 0xff])],
  ['malformed', framed('{"a":')],
  ['malformed', framed('')],
] as const)('%s: nothing more is read', async (fault, bytes) => {
  const { stream, messages, faults } = open();
  stream.write(framed('1'));
  stream.write(bytes);
  stream.write(framed('2'));
  await settled();
  expect(faults).toEqual([fault]);
  expect(messages).toEqual([1]);
});

it.each([
  [{ messagesPerSecond: 5, bytesPerSecond: 1e6 }, '1', 10],
  [{ messagesPerSecond: 1e6, bytesPerSecond: 50 }, '"12345678"', 10],
])('more than the budget %j is a fault, and as much again later is not', async (budget, json, count) => {
  const { stream, messages, faults, at } = open(budget);
  for (let i = 0; i < count; i++) stream.write(framed(json));
  await settled();
  at(2001);
  for (let i = 0; i < count; i++) stream.write(framed(json));
  await settled();
  expect(messages).toHaveLength(2 * count);
  expect(faults).toEqual([]);
  stream.write(framed(json));
  await settled();
  expect(faults).toEqual(['flooded']);
});

it('what the other end does not read is bounded: messages are dropped then, whole', async () => {
  const wire = new PassThrough();
  const received: unknown[] = [];
  const channel = new MessageChannel(
    wire,
    { maxMessageBytes: 200_000 },
    { onMessage: (message) => void received.push(message), onFault: (fault) => void received.push(fault) },
  );
  wire.pause();
  let sent = 0;
  while (channel.send({ number: sent, text: 'a'.repeat(100_000) })) sent += 1;
  expect(sent).toBeLessThan(200);
  wire.resume();
  while (received.length < sent) await settled();
  expect(received.map((message) => (message as { number: number }).number)).toEqual(
    Array.from({ length: sent }, (_, index) => index),
  );
  expect(channel.send({})).toBe(true);
});
