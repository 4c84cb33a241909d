import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { until } from '../helpers/patience.js';
import { seededRandom } from '../helpers/seeded-random.js';
import { isTmuxInstalled, TerminalServer } from '../helpers/terminal-server.js';

/** Collects what it reads in raw mode up to a line of equals signs, then says what it was given. */
const COLLECTOR = `
  process.stdin.setRawMode(true);
  let read = Buffer.alloc(0);
  process.stdin.on('data', (data) => {
    read = Buffer.concat([read, data]);
    const end = read.indexOf('=====');
    if (end === -1) return;
    const hash = require('crypto').createHash('sha256');
    console.log('{' + hash.update(read.subarray(0, end)).digest('hex') + ' ' + end + '}');
    read = Buffer.alloc(0);
  });
  const given = require('crypto').createHash('sha256').update(JSON.stringify(process.argv.slice(1))).digest('hex');
  console.log('argv=' + given + ' env=' + Buffer.from(process.env.HOSTILE).toString('hex') + ' ready');
`;

if (!isTmuxInstalled) {
  describe('what reaches tmux', () => {
    it.skip('is not tested: tmux is not installed', () => undefined);
  });
}

describe.skipIf(!isTmuxInstalled)('what a client sends', () => {
  let folder: string;
  let server: TerminalServer;
  const random = seededRandom(20_261_122);
  const canary = (): string[] => readdirSync(folder).filter((name) => name.startsWith('canary'));
  const sha = (text: string): string => createHash('sha256').update(text).digest('hex');
  let pieces: readonly string[];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'canary-test-'));
    const touch = `touch ${folder}/canary`;
    pieces = [
      ...[
        ';',
        '\\;',
        ' ; ',
        '"',
        "'",
        '\\',
        '`',
        '$',
        '#',
        '{',
        '}',
        '\n',
        '\r',
        '\t',
        '\u0000',
        '\u001b',
        '~',
        '%0',
      ],
      ...[`run-shell "${touch}"`, `run-shell '${touch}'`, `run -b '${touch}'`, `if-shell '${touch}' ''`],
      ...[
        `#(${touch})`,
        `$(${touch})`,
        `\`${touch}\``,
        `new-window '${touch}'`,
        `kill-server`,
        `detach-client`,
      ],
      ...[
        '%begin 1 1 1',
        '%end 1 1 1',
        '%exit',
        '-t',
        '-H',
        '-X',
        '--',
        'C-c',
        'Enter',
        '$0',
        '@0',
        '=terminal:',
      ],
      ...[
        '\u001b[201~',
        '\u001b]52;c;eA==\u0007',
        '\\033',
        '\u2028',
        'é',
        '😀',
        ' ',
        'x',
        '1b',
        '\u007f',
        '\u0003',
      ],
    ];
    server = await TerminalServer.start({
      terminal: {
        enabled: true,
        anyCommand: true,
        allowEnv: ['HOSTILE'],
        attach: { names: 'all', socketPath: join(folder, 'socket') },
      },
    });
  });

  afterAll(async () => {
    await server.close();
    spawnSync('tmux', ['-S', join(folder, 'socket'), 'kill-server']);
    rmSync(folder, { recursive: true, force: true });
  });

  function hostile(most = 6): string {
    const count = 1 + Math.floor(random() * most);
    return Array.from({ length: count }, () => pieces[Math.floor(random() * pieces.length)] ?? '').join('');
  }

  it('would run commands if it was put into those of tmux', async () => {
    const socket = join(folder, 'socket');
    spawnSync('tmux', [
      '-S',
      socket,
      '-f',
      '/dev/null',
      'new-session',
      '-d',
      '-s',
      'work',
      '--',
      '/bin/cat',
      '-',
    ]);
    const data = `x ; run-shell "touch ${folder}/canary"`;
    spawnSync('tmux', ['-S', socket, '-C', 'attach-session'], { input: `send-keys -l ${data}\n` });
    // tmux does not wait for what it runs.
    await until(() => expect(canary()).toEqual(['canary']));
    rmSync(join(folder, 'canary'));
  });

  it('is input and nothing else, in thousands of hostile strings', async () => {
    const given = Array.from({ length: 120 }, () => hostile(3).replaceAll('\u0000', ''));
    const secret = `${hostile().replaceAll('\u0000', '')};`;
    const client = await server.open({
      command: [process.execPath, '-e', COLLECTOR, '--', ...given],
      env: { HOSTILE: secret },
    });
    await client.untilText('ready');
    expect(client.text).toContain(`argv=${sha(JSON.stringify(given))}`);
    expect(client.text).toContain(`env=${Buffer.from(secret).toString('hex')} ready`);
    let typed = '';
    for (let round = 0; round < 3000; round++) {
      const data = hostile();
      typed += data;
      client.send(round % 2 === 0 ? { type: 'keys', data } : { type: 'text', text: data });
    }
    client.send({ type: 'keys', data: '=====' });
    await client.untilText(`{${sha(typed)} ${Buffer.byteLength(typed)}}`);
    expect(client.of('error')).toEqual([]);

    // As a terminal pastes: line feeds are what Enter sends.
    let pasted = '';
    for (let round = 0; round < 40; round++) {
      const data = hostile(20).replaceAll('\u001b', '');
      pasted += data.replaceAll('\n', '\r');
      client.send({ type: 'paste', data });
    }
    client.send({ type: 'keys', data: '=====' });
    await client.untilText(`{${sha(pasted)} ${Buffer.byteLength(pasted)}}`);

    for (let round = 0; round < 1500; round++) {
      client.send({ type: 'key', name: hostile(3) });
      client.send({ type: 'keyboard', action: 'down', code: 'KeyA', key: hostile(2) });
      client.send({ type: 'resize', cols: hostile(2), rows: hostile(2) });
    }
    client.send({ type: 'keys', data: '=====' });
    const before = client.text.split('{').length;
    await client.until(() => client.text.split('{').length > before);
    expect(client.of('error').every(({ code }) => code === 'bad_input' || code === 'bad_message')).toBe(true);
    expect(client.of('error').length).toBeGreaterThan(3000);
    expect(await client.snapshot()).not.toBe('');
    expect(canary()).toEqual([]);
  });

  it('names no other session', async () => {
    const names = [...pieces, ...Array.from({ length: 100 }, () => hostile(3))];
    const answers = await Promise.all(names.map((name) => server.state(encodeURIComponent(name))));
    expect(answers.filter(({ status }) => status < 400)).toEqual([]);
    expect((await server.state('work')).status).toBe(200);
    expect(canary()).toEqual([]);
    expect(existsSync(folder)).toBe(true);
  });
});
