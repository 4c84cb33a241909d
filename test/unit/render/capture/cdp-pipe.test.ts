import { PassThrough } from 'node:stream';

import { expect, it } from 'vitest';

import { CdpPipe, type CdpMessage } from '../../../../src/render/capture/cdp-pipe.js';

const MEBIBYTE = 2 ** 20;

function open() {
  const input = new PassThrough();
  const messages: CdpMessage[] = [];
  const oversized: unknown[] = [];
  let closed = 0;
  const pipe = new CdpPipe(new PassThrough(), input, {
    wants: (method) => method.startsWith('Page.'),
    onMessage: (message) => void messages.push(message),
    onOversized: ({ id, method, sessionId }) => void oversized.push(id ?? [method, sessionId]),
    onClosed: () => void closed++,
  });
  return { input, messages, oversized, pipe, closed: () => closed };
}

/** Waits until what was written has been read. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

it.each([1, 2, 7, 95, 96, 97, 1000])('reads messages that come in pieces of %i bytes', async (size) => {
  const { input, messages } = open();
  const sent = [
    { id: 1, result: { text: 'é\u0001'.repeat(100) } },
    { method: 'Page.loadEventFired', params: {} },
    { method: 'Runtime.consoleAPICalled', params: { text: 'a'.repeat(500) } },
    { id: 2, result: {} },
  ];
  const bytes = Buffer.from(sent.map((message) => `${JSON.stringify(message)}\0`).join(''));
  for (let at = 0; at < bytes.length; at += size) input.write(bytes.subarray(at, at + size));
  await settled();
  expect(messages).toEqual(sent.filter(({ method }) => method !== 'Runtime.consoleAPICalled'));
});

it.each([
  ['an answer', '{"id":7,"result":{"data":"', 41, 7],
  [
    'an event that is of use',
    '{"method":"Page.screencastFrame","params":{"data":"',
    17,
    ['Page.screencastFrame', undefined],
  ],
])(
  '%s that is too long is told and forgotten, and the next message is read',
  async (_name, head, mebibytes, told) => {
    const { input, messages, oversized } = open();
    input.write(head);
    const piece = Buffer.alloc(MEBIBYTE, 'a');
    for (let i = 0; i < mebibytes; i++) input.write(piece);
    input.write('"}}\0{"id":8,"result":{}}\0');
    await settled();
    expect(oversized).toEqual([told]);
    expect(messages).toEqual([{ id: 8, result: {} }]);
  },
);

it.each([1, 40, 96, 10_000])(
  'the session of an event that is too long is told, whose end comes in pieces of %i bytes',
  async (size) => {
    const { input, oversized } = open();
    input.write('{"method":"Page.javascriptDialogOpening","params":{"message":"');
    const piece = Buffer.alloc(MEBIBYTE, 'a');
    for (let i = 0; i < 16; i++) input.write(piece);
    const end = Buffer.from(`${'a'.repeat(200)}"},"sessionId":"0123456789ABCDEF0123456789ABCDEF"}\0`);
    for (let at = 0; at < end.length; at += size) input.write(end.subarray(at, at + size));
    await settled();
    expect(oversized).toEqual([['Page.javascriptDialogOpening', '0123456789ABCDEF0123456789ABCDEF']]);
  },
);

it('a page cannot name the session of an event that is too long', async () => {
  const { input, oversized } = open();
  const message = `${'a'.repeat(17 * MEBIBYTE)}","sessionId":"S-1"}`;
  const params = { url: '', message, sessionId: 'S-2' };
  input.write(`${JSON.stringify({ method: 'Page.javascriptDialogOpening', params })}\0`);
  await settled();
  expect(oversized).toEqual([['Page.javascriptDialogOpening', undefined]]);
});

it('events of no use are dropped whatever their length, and not told', async () => {
  const { input, messages, oversized } = open();
  input.write('{"method":"Runtime.consoleAPICalled","params":{"data":"');
  const piece = Buffer.alloc(MEBIBYTE, 'a');
  for (let i = 0; i < 50; i++) input.write(piece);
  input.write('"}}\0{"id":8,"result":{}}\0');
  await settled();
  expect(oversized).toEqual([]);
  expect(messages).toEqual([{ id: 8, result: {} }]);
});

it.each(['', '{', '[]', 'null', '{"id":', '{"id":1,', '\u0001', '{"method":"Page.x"'])(
  'what is no message (%j) is passed over',
  async (text) => {
    const { input, messages } = open();
    input.write(`${text}\0{"id":8,"result":{}}\0`);
    await settled();
    expect(messages.at(-1)).toEqual({ id: 8, result: {} });
  },
);

it('ends once, with the end of either pipe', async () => {
  const { input, pipe, closed } = open();
  input.destroy();
  await settled();
  expect(closed()).toBe(1);
  pipe.close();
  expect(closed()).toBe(1);
  expect(pipe.send({})).toBe(false);
});
