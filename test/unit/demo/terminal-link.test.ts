import { beforeEach, describe, expect, it } from 'vitest';

import { TerminalLink, type TerminalLinkListener } from '../../../src/demo/page/terminal/terminal-link.js';
import { textPieces } from '../../../src/demo/page/terminal/text-pieces.js';

/** A WebSocket whose other end is the test. */
class FakeSocket extends EventTarget {
  readyState = 0;
  bufferedAmount = 0;
  readonly sent: Record<string, unknown>[] = [];
  closedByPage = false;

  send(text: string): void {
    this.sent.push(JSON.parse(text) as Record<string, unknown>);
  }

  close(): void {
    this.closedByPage = true;
    this.readyState = 3;
  }

  /** As the server does: open, and say what it is. */
  open(role = 'controller'): this {
    this.readyState = 1;
    this.dispatchEvent(new Event('open'));
    this.say({ type: 'session-meta', kind: 'terminal', cols: 80, rows: 24 });
    return this.say({ type: 'role', role, publicId: '1' });
  }

  say(message: object): this {
    this.dispatchEvent(new MessageEvent('message', { data: JSON.stringify(message) }));
    return this;
  }

  chunk(sequence: number, text: string): this {
    const bytes = Buffer.alloc(8 + Buffer.byteLength(text));
    bytes.writeBigUInt64BE(BigInt(sequence));
    bytes.write(text, 8);
    const data = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
    this.dispatchEvent(new MessageEvent('message', { data }));
    return this;
  }

  drop(code = 1006, reason = ''): void {
    this.readyState = 3;
    this.dispatchEvent(Object.assign(new Event('close'), { code, reason }));
  }

  of(type: string): Record<string, unknown>[] {
    return this.sent.filter((message) => message.type === type);
  }
}

let sockets: FakeSocket[];
let waits: { delayMs: number; run: () => void }[];
let looked: { kind: 'there' | 'unreachable' } | { kind: 'refusal'; message: string };
let log: string[];
let link: TerminalLink;

const newest = (): FakeSocket => {
  const socket = sockets.at(-1);
  if (socket === undefined) throw new Error('There is no connection');
  return socket;
};
const elapse = (): void => waits.splice(0).forEach(({ run }) => run());
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

beforeEach(() => {
  sockets = [];
  waits = [];
  looked = { kind: 'there' };
  log = [];
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
  const listener: TerminalLinkListener = {
    onLink: (isUp) => log.push(isUp ? 'up' : 'down'),
    onSize: (cols, rows) => log.push(`size ${cols} ${rows}`),
    onOutput: (bytes) => log.push(`output ${text(bytes)}`),
    onSnapshot: (bytes) => log.push(`snapshot ${text(bytes)}`),
    onState: ({ status }) => log.push(`state ${status}`),
    onRole: ({ isController }) => log.push(isController ? 'types' : 'reads'),
    onAsked: (publicId) => log.push(`asked by ${publicId}`),
    onRefused: (message) => log.push(`refused ${message}`),
    onEnded: (reason, message) => log.push(`ended ${reason} ${message ?? ''}`.trim()),
  };
  link = new TerminalLink(
    {
      open: () => {
        sockets.push(new FakeSocket());
        return newest() as unknown as WebSocket;
      },
      look: () => Promise.resolve(looked),
      after: (delayMs, run) => {
        const wait = { delayMs, run };
        waits.push(wait);
        return () => void (waits = waits.filter((one) => one !== wait));
      },
    },
    listener,
  );
  link.start();
});

const output = (): string =>
  log.flatMap((line) => (/^(output|snapshot) /.test(line) ? [line.replace(/^output /, '')] : [])).join('|');

describe('where it goes on', () => {
  it('begins with nothing, and after a cut with the number of the last chunk', () => {
    newest().open().chunk(1, 'a').chunk(2, 'b').drop();
    elapse();
    newest().open().chunk(3, 'c');
    expect(sockets.map((socket) => socket.of('resume'))).toEqual([
      [{ type: 'resume', lastSeq: null }],
      [{ type: 'resume', lastSeq: 2 }],
    ]);
    expect(output()).toBe('a|b|c');
  });

  it('hands a chunk on once, and takes gaps in the numbers', () => {
    newest().open().chunk(1, 'a').chunk(1, 'a').chunk(7, 'b').chunk(3, 'x').chunk(8, 'c');
    expect(output()).toBe('a|b|c');
  });

  it('goes on after a snapshot, whether it is of later or of earlier than what was seen', () => {
    const data = Buffer.from('screen').toString('base64');
    newest().open().chunk(5, 'a').say({ type: 'snapshot', seq: 90, data }).chunk(90, 'x').chunk(91, 'b');
    newest().say({ type: 'snapshot', seq: 89, data }).chunk(90, 'c').drop();
    elapse();
    expect(output()).toBe('a|snapshot screen|b|snapshot screen|c');
    expect(newest().open().of('resume')).toEqual([{ type: 'resume', lastSeq: 90 }]);
  });

  it('takes nothing while it is paused, and then what came meanwhile', () => {
    const before = newest().open().chunk(1, 'a');
    link.pause();
    expect(before.closedByPage).toBe(true);
    before.chunk(2, 'late').drop();
    elapse();
    expect(sockets).toHaveLength(1);
    link.unpause();
    elapse();
    newest().open().chunk(2, 'b');
    expect(newest().of('resume')).toEqual([{ type: 'resume', lastSeq: 1 }]);
    expect(output()).toBe('a|b');
  });
});

describe('how it connects again', () => {
  it('waits twice as long each time, within bounds, and anew after a connection that worked', async () => {
    const delays: number[] = [];
    newest().open().drop();
    for (let round = 0; round < 8; round++) {
      delays.push(...waits.map(({ delayMs }) => delayMs));
      elapse();
      newest().drop();
      await settled();
    }
    expect(delays).toEqual([250, 500, 1000, 2000, 4000, 8000, 8000, 8000]);
    elapse();
    newest().open().drop();
    expect(waits.map(({ delayMs }) => delayMs)).toEqual([250]);
  });

  it('does not wait when the network is back, and leaves a connection alone that works', () => {
    newest().open().drop();
    link.wake();
    expect(waits.map(({ delayMs }) => delayMs)).toEqual([0]);
    elapse();
    newest().open();
    link.wake();
    expect(waits).toEqual([]);
    expect(sockets).toHaveLength(2);
  });

  it('goes on while nobody answers, and ends with the words of one that refuses', async () => {
    looked = { kind: 'unreachable' };
    newest().drop();
    await settled();
    elapse();
    looked = { kind: 'refusal', message: 'There is no such session' };
    newest().drop();
    await settled();
    expect(log).toEqual(['ended refused There is no such session']);
    expect(waits).toEqual([]);
  });

  it('ends with the session, and says why', () => {
    newest()
      .open()
      .say({ type: 'state', value: { status: 'terminated' } })
      .drop(1000, 'exited');
    expect(log).toEqual(['size 80 24', 'up', 'types', 'state terminated', 'ended exited']);
    expect(waits).toEqual([]);
  });

  it('has no connection and no timer left when it is closed', async () => {
    newest().open().drop();
    link.close();
    link.wake();
    await settled();
    expect(waits).toEqual([]);
    expect(sockets).toHaveLength(1);
  });
});

describe('who types', () => {
  it('sends nothing of one that only reads, or while there is no connection', () => {
    const socket = newest().open('viewer');
    link.type('a');
    link.paste('b');
    link.press('C-c');
    link.resize(100, 30);
    expect(socket.sent).toEqual([{ type: 'resume', lastSeq: null }]);
    socket.say({ type: 'role', role: 'controller' });
    link.type('c');
    socket.drop();
    link.type('d');
    expect(socket.of('keys')).toEqual([{ type: 'keys', data: 'c' }]);
  });

  it('asks once for the control that it had, where another has it after a cut', () => {
    newest().open().drop();
    elapse();
    newest().open('viewer').say({ type: 'role', role: 'viewer', controllerId: '2' });
    expect(newest().of('request_control')).toHaveLength(1);
    newest().say({ type: 'role', role: 'controller' });
    link.releaseControl();
    newest().drop();
    elapse();
    expect(newest().open('viewer').of('request_control')).toHaveLength(1);
  });

  it('sends long input in pieces that the server takes, and refuses what is far too long', () => {
    const socket = newest().open();
    const long = 'ä€🎉x'.repeat(6000);
    link.type(long);
    link.paste(long);
    for (const [type, maxBytes] of [
      ['keys', 16 * 1024],
      ['paste', 64 * 1024],
    ] as const) {
      const pieces = socket.of(type).map(({ data }) => String(data));
      expect(pieces.join('')).toBe(long);
      expect(Math.max(...pieces.map((piece) => Buffer.byteLength(piece)))).toBeLessThanOrEqual(maxBytes);
    }
    const before = socket.sent.length;
    link.paste('x'.repeat(1024 * 1024));
    expect(socket.sent).toHaveLength(before);
    expect(log.at(-1)).toMatch(/^refused /);
  });
});

it('no piece of a text ends within a character', () => {
  expect(textPieces('', 4)).toEqual([]);
  expect(textPieces('aä€🎉b', 4)).toEqual(['aä', '€', '🎉', 'b']);
  expect(textPieces('🎉🎉', 7)).toEqual(['🎉', '🎉']);
  expect(textPieces('abcdefgh', 4)).toEqual(['abcd', 'efgh']);
});
