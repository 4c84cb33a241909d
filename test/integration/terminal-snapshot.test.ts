import { execFileSync } from 'node:child_process';
import { createWriteStream, mkdtempSync, rmSync } from 'node:fs';
import type { WriteStream } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { systemClock } from '../../src/base/clock.js';
import { silentLogger } from '../../src/base/logger.js';
import { terminalOptions } from '../../src/options/terminal-options.js';
import { createOpenTerminal } from '../../src/terminal/open-terminal.js';
import type { Terminal } from '../../src/terminal/terminal.js';
import { randomOutput } from '../helpers/random-terminal-output.js';
import { seededRandom } from '../helpers/seeded-random.js';
import { isTmuxInstalled } from '../helpers/terminal-server.js';
import { TerminalEmulator } from '../helpers/terminal-emulator.js';

const COLS = 24;
const ROWS = 8;
const STREAMS = 500;

if (!isTmuxInstalled) {
  describe('a snapshot', () => {
    it.skip('is not tested: tmux is not installed', () => undefined);
  });
}

/** A terminal whose program writes what the test says, and nothing else. */
class WrittenTerminal {
  #received: Buffer = Buffer.alloc(0);
  #wake: (() => void) | undefined;
  #terminal: Terminal | undefined;
  #pipe: WriteStream | undefined;
  readonly #folder = mkdtempSync(join(tmpdir(), 'snapshot-test-'));

  async open(): Promise<void> {
    const path = join(this.#folder, 'pipe');
    execFileSync('mkfifo', [path]);
    const options = terminalOptions({ enabled: true }, 'terminal');
    if (options === undefined) throw new Error('Terminals are off');
    const openTerminal = createOpenTerminal({ options, clock: systemClock, logger: silentLogger });
    this.#terminal = await openTerminal(
      {
        ...{ kind: 'new', id: 'written', cols: COLS, rows: ROWS, cwd: this.#folder, env: {} },
        command: ['/bin/sh', '-c', `stty raw -echo; echo ready; exec cat ${path}`],
      },
      {
        onOutput: (bytes) => {
          this.#received = Buffer.concat([this.#received, bytes]);
          this.#wake?.();
        },
        onGap: () => undefined,
        onResize: () => undefined,
        onExit: () => undefined,
        onFailed: () => undefined,
      },
      new AbortController().signal,
      {},
    );
    await this.#until(() => this.#received.includes('ready'));
    this.#received = Buffer.alloc(0);
    this.#pipe = createWriteStream(path);
  }

  /** Writes, and waits until tmux has read all of it. */
  async write(bytes: Buffer): Promise<void> {
    const end = this.#received.byteLength + bytes.byteLength;
    this.#pipe?.write(bytes);
    await this.#until(() => this.#received.byteLength >= end);
  }

  /** @returns the snapshot, and how many bytes of output it stands for. */
  async snapshot(): Promise<{ readonly drawing: Uint8Array; readonly at: number }> {
    let at = -1;
    const drawing = await this.#terminal?.snapshot(() => {
      at = this.#received.byteLength;
    });
    if (drawing === undefined) throw new Error('The terminal is not open');
    return { drawing, at };
  }

  /** Everything since the last call. */
  takeReceived(): Buffer {
    const received = this.#received;
    this.#received = Buffer.alloc(0);
    return received;
  }

  async close(): Promise<void> {
    this.#pipe?.destroy();
    await this.#terminal?.close('kill');
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => (this.#wake = resolve));
  }
}

describe.skipIf(!isTmuxInstalled)('a snapshot', () => {
  const terminal = new WrittenTerminal();

  beforeAll(() => terminal.open());
  afterAll(() => terminal.close());

  /** What a client that was there all the time shows, and what one shows that came at the cut. */
  async function bothScreens(first: Buffer, rest: Buffer): Promise<{ live: unknown; late: unknown }> {
    // The end of a sequence that the last stream has left open, and a full reset.
    await terminal.write(Buffer.from('\u0018\u001b\\\u001b[?1049l\u001bc\u001b[H\u001b[2J'));
    terminal.takeReceived();
    if (first.byteLength > 0) await terminal.write(first);
    const { drawing, at } = await terminal.snapshot();
    if (rest.byteLength > 0) await terminal.write(rest);
    const all = terminal.takeReceived();
    expect(all).toEqual(Buffer.concat([first, rest]));
    const [live, late] = [new TerminalEmulator(COLS, ROWS), new TerminalEmulator(COLS, ROWS)];
    await live.write(all);
    await late.write(drawing);
    await late.write(all.subarray(at));
    return { live: live.screen(), late: late.screen() };
  }

  it('and the output after it show what the whole output shows, for 500 random streams cut anywhere', async () => {
    const random = seededRandom(20_261_129);
    for (let stream = 0; stream < STREAMS; stream++) {
      const output = randomOutput(random, COLS, ROWS);
      const cut = Math.floor(random() * (output.byteLength + 1));
      const [first, rest] = [output.subarray(0, cut), output.subarray(cut)];
      const { live, late } = await bothScreens(first, rest);
      expect(
        late,
        `stream ${stream}: ${JSON.stringify([first.toString('latin1'), rest.toString('latin1')])}`,
      ).toEqual(live);
    }
  });

  it.each([
    ['mouse tracking with SGR coordinates', '\u001b[?1000h\u001b[?1006h', ''],
    ['button tracking with SGR coordinates', '\u001b[?1002h\u001b[?1006h', ''],
    ['motion tracking', '\u001b[?1003h', ''],
    ['line drawing in G0', '\u001b(0lqqk', 'mqqj\u001b(Bend'],
    ['line drawing in G1', '\u001b)0\u000elqqk', 'mqqj\u000fend'],
    ['a wrap that is pending', 'x'.repeat(COLS), 'next'],
    ['a wrap that is pending after colours', `\u001b[31mab\r\n\u001b[7m${'x'.repeat(COLS - 2)}漢`, 'next'],
    ['focus events', '\u001b[?1004h', ''],
    ['bracketed paste', '\u001b[?2004h', ''],
    ['the pen', '\u001b[1;38;2;1;2;3;48;5;77;4:3m', 'styled'],
    ['half a sequence', 'a\u001b[3', '1mred'],
    ['half a title', '\u001b]0;some', ' title\u0007text'],
    ['a title longer than is kept', `\u001b]0;${'x'.repeat(6000)}`, 'end\u0007text'],
    ['half a character', '\u00e6\u00bc', '\u00a2!'],
    [
      'the normal screen behind the alternate one',
      'shell \u001b[32m$ \u001b[?1049h\u001b[Heditor',
      '\u001b[?1049lback',
    ],
    ['tab stops', '\u001b[3g\u001b[5G\u001bH\r', '\tx\ty'],
  ])('keeps %s', async (_, first, rest) => {
    const { live, late } = await bothScreens(
      Buffer.from(first, first.startsWith('\u00e6') ? 'latin1' : 'utf8'),
      Buffer.from(rest, rest.startsWith('\u00a2') ? 'latin1' : 'utf8'),
    );
    expect(late).toEqual(live);
  });
});
