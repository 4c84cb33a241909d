import { beforeEach, describe, expect, it } from 'vitest';

import type { CommandReply } from '../../../src/terminal/control-mode-parser.js';
import { ControlModeParser } from '../../../src/terminal/control-mode-parser.js';
import { seededRandom } from '../../helpers/seeded-random.js';

let output: Buffer[];
let panes: string[];
let replies: CommandReply[];
let notifications: string[];
let parser: ControlModeParser;

beforeEach(() => {
  output = [];
  panes = [];
  replies = [];
  notifications = [];
  parser = new ControlModeParser({
    onOutput: (pane, bytes) => {
      panes.push(pane);
      output.push(Buffer.from(bytes));
    },
    onReply: (reply) => replies.push(reply),
    onNotification: (name, rest) => notifications.push(`${name}|${rest}`),
  });
});

/** As tmux escapes it. */
function escaped(bytes: Uint8Array): Buffer {
  return Buffer.concat(
    [...bytes].map((byte) =>
      byte < 32 || byte === 0x5c
        ? Buffer.from(`\\${byte.toString(8).padStart(3, '0')}`)
        : Buffer.from([byte]),
    ),
  );
}

function feed(text: string | Buffer): void {
  parser.push(Buffer.from(text));
}

describe('the output of a tmux client in control mode', () => {
  it('is the bytes of the program', () => {
    feed('%output %3 a\\033[1mb\\015\\012\\134x\\000\n');
    expect(panes).toEqual(['%3']);
    expect(output[0]?.toString()).toBe('a\u001b[1mb\r\n\\x\0');
  });

  it('is any bytes, however they are split into lines and reads', () => {
    const random = seededRandom(5);
    const bytes = Buffer.from(Array.from({ length: 20_000 }, () => Math.floor(random() * 256)));
    const lines: Buffer[] = [];
    for (let at = 0; at < bytes.length;) {
      const length = 1 + Math.floor(random() * 300);
      lines.push(Buffer.from('%output %0 '), escaped(bytes.subarray(at, at + length)), Buffer.from('\n'));
      at += length;
    }
    const wire = Buffer.concat(lines);
    for (let at = 0; at < wire.length;) {
      const length = 1 + Math.floor(random() * 500);
      parser.push(wire.subarray(at, at + length));
      at += length;
    }
    expect(Buffer.concat(output).equals(bytes)).toBe(true);
  });

  it('may be that of a client that is behind', () => {
    feed('%extended-output %1 1234 : a : \\033b\n%extended-output %1 none\n');
    expect(output.map(String)).toEqual(['a : \u001bb']);
  });

  it.each(['%output', '%output ', '%output 1 x', '%output %1x y', '%output %99999999999 x', '%output %-1 x'])(
    'is nothing in %j',
    (line) => {
      feed(`${line}\n`);
      expect(output).toEqual([]);
    },
  );

  it.each([
    ['\\', '\\'],
    ['\\0', '\\0'],
    ['\\08x', '\\08x'],
    ['\\777', '\\777'],
    ['\\\\033', '\\\u001b'],
    ['\\400', '\\400'],
    ['\\377', '\u00ff'],
  ])('keeps %j, which is no escape or a whole one', (data, expected) => {
    feed(`%output %0 ${data}\n`);
    expect(output[0]?.toString('latin1')).toBe(expected);
  });
});

describe('a reply', () => {
  it('is what stands between begin and end, or an error', () => {
    feed(
      '%begin 17 5 1\nfirst\n\n%end 17 5 1\n%begin 17 6 1\nno such pane\n%error 17 6 1\n%begin 18 7 0\n%end 18 7 0\n',
    );
    expect(replies).toEqual([
      { ok: true, own: true, lines: ['first', ''] },
      { ok: false, own: true, lines: ['no such pane'] },
      { ok: true, own: false, lines: [] },
    ]);
  });

  it('ends with its own number alone, and contains what looks like anything else', () => {
    feed('%begin 17 5 1\n%end 17 4 1\n%output %0 x\n%begin 1 1 1\n%exit\n%error 17 5 0\n%end 17 5 1\n');
    expect(replies).toEqual([
      {
        ok: true,
        own: true,
        lines: ['%end 17 4 1', '%output %0 x', '%begin 1 1 1', '%exit', '%error 17 5 0'],
      },
    ]);
    expect([output, notifications]).toEqual([[], []]);
  });

  it('is kept up to a bound', () => {
    feed('%begin 1 1 1\n');
    for (let line = 0; line < 5000; line++) feed('x\n');
    feed('%end 1 1 1\n');
    expect(replies[0]?.lines).toHaveLength(1024);
    feed(`%begin 1 2 1\n${'y'.repeat(300_000)}\n%end 1 2 1\n`);
    expect(replies[1]?.lines).toEqual([]);
  });
});

describe('a notification', () => {
  it('has a name and the rest of its line', () => {
    feed('%session-changed $1 a b\n%exit\n%window-close @2\n');
    expect(notifications).toEqual(['session-changed|$1 a b', 'exit|', 'window-close|@2']);
  });

  it.each(['hello', '', '%', '% x', '%EXIT', '%exit\u0000', ` %exit`, `%${'a'.repeat(50)}`])(
    'is none in %j',
    (line) => {
      feed(`${line}\n`);
      expect(notifications).toEqual([]);
    },
  );
});

describe('a hostile tmux', () => {
  it('cannot make a line that fills the memory', () => {
    expect(() => {
      for (let piece = 0; piece < 2000; piece++) feed('x'.repeat(1024));
    }).toThrow(RangeError);
  });

  it.each([1, 2, 3])('cannot make it throw by what it writes (seed %i)', (seed) => {
    const random = seededRandom(seed);
    const words = [
      '%output',
      '%begin',
      '%end',
      '%error',
      '%0',
      ' ',
      '\n',
      '\\',
      '\\0',
      '17',
      '1',
      '%',
      ':',
      'é',
    ];
    for (let round = 0; round < 20_000; round++) {
      feed(
        random() < 0.1
          ? Buffer.from([Math.floor(random() * 256)])
          : (words[Math.floor(random() * words.length)] ?? ''),
      );
    }
    expect(replies.length + output.length + notifications.length).toBeGreaterThan(0);
  });
});
