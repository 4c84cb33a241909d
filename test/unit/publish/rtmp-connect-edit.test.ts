import { describe, expect, it } from 'vitest';

import { RtmpConnectEdit } from '../../../src/publish/rtmp-connect-edit.js';

const HANDSHAKE = Buffer.alloc(1 + 1536 + 1536, 7);
const AFTER = Buffer.from('what comes after it');

function string(value: string): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(value.length);
  return Buffer.concat([length, Buffer.from(value, 'latin1')]);
}

/** An RTMP message on chunk stream 3, with payload of 128 bytes a chunk. */
function message(body: Buffer, type = 20): Buffer {
  const header = Buffer.from([3, 0, 0, 0, 0, 0, 0, type, 0, 0, 0, 0]);
  header.writeUIntBE(body.length, 4, 3);
  const chunks: Buffer[] = [];
  for (let at = 0; at < body.length; at += 128) chunks.push(body.subarray(at, at + 128));
  return Buffer.concat([
    header,
    ...chunks.flatMap((chunk, index) => (index === 0 ? [chunk] : [Buffer.of(0xc3), chunk])),
  ]);
}

function connect(tcUrl: string): Buffer {
  return Buffer.concat([
    ...[Buffer.of(2), string('connect'), Buffer.of(0, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0, 3)],
    ...[
      string('app'),
      Buffer.of(2),
      string('live'),
      string('flashVer'),
      Buffer.of(2),
      string('x'.repeat(90)),
    ],
    ...[string('tcUrl'), Buffer.of(2), string(tcUrl), Buffer.of(0, 0, 9)],
  ]);
}

async function edited(bytes: Buffer, sizes: number): Promise<Buffer> {
  const edit = new RtmpConnectEdit('rtmp://127.0.0.1:4000', 'rtmps://live.example.com');
  const came: Buffer[] = [];
  edit.on('data', (chunk: Buffer) => came.push(chunk));
  for (let at = 0; at < bytes.length; at += sizes) edit.write(bytes.subarray(at, at + sizes));
  await new Promise<void>((resolve) => edit.end(resolve));
  return Buffer.concat(came);
}

describe('the connect of an RTMP client', () => {
  it.each([1, 128, 3000, 100_000])(
    'names the server instead of the relay, in pieces of %d bytes',
    async (sizes) => {
      for (const path of ['/live', `/${'long'.repeat(60)}`]) {
        const given = Buffer.concat([HANDSHAKE, message(connect(`rtmp://127.0.0.1:4000${path}`)), AFTER]);
        const wanted = Buffer.concat([HANDSHAKE, message(connect(`rtmps://live.example.com${path}`)), AFTER]);
        expect((await edited(given, sizes)).equals(wanted)).toBe(true);
      }
    },
  );

  it.each([
    ['of another type', message(connect('rtmp://127.0.0.1:4000/live'), 9)],
    ['that names another server', message(connect('rtmp://other.example/live'))],
    ['without a tcUrl', message(Buffer.from('connect'))],
    ['that ends with the name of its tcUrl', message(connect('').subarray(0, -5))],
    ['that is none', Buffer.alloc(20_000, 0xff)],
    ['that ends in the middle', message(connect('rtmp://127.0.0.1:4000/live')).subarray(0, 150)],
  ])('passes a first message %s as it is', async (_name, bytes) => {
    const given = Buffer.concat([HANDSHAKE, bytes]);
    expect((await edited(given, 1000)).equals(given)).toBe(true);
  });

  it('passes on what is too long also where it comes at once', async () => {
    const given = Buffer.concat([
      HANDSHAKE,
      message(connect(`rtmp://127.0.0.1:4000/${'x'.repeat(65_500)}`)),
      AFTER,
    ]);
    expect((await edited(given, given.length)).equals(given)).toBe(true);
  });

  it('lets the handshake through before the rest is there', async () => {
    const edit = new RtmpConnectEdit('a', 'b');
    edit.write(HANDSHAKE.subarray(0, 1537));
    const first = (await edit[Symbol.asyncIterator]().next()).value as Buffer;
    expect(first.length).toBe(1537);
  });
});
