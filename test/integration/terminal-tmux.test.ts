import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { processesNaming } from '../../src/base/process-table.js';
import { sweepTemporaryFolders } from '../../src/terminal/temporary-folder.js';
import { until } from '../helpers/patience.js';
import { root } from '../helpers/product.js';
import type { TerminalClient } from '../helpers/terminal-server.js';
import { endLeftTerminals, isTmuxInstalled, TerminalServer } from '../helpers/terminal-server.js';

if (!isTmuxInstalled) {
  describe('a terminal and the tmux below it', () => {
    it.skip('are not tested: tmux is not installed', () => undefined);
  });
}

const SHELL = { command: ['/bin/bash', '--norc', '--noprofile'], env: { PS1: '$ ' } } as const;

/** Opens a terminal in a process of its own, and says in which folder. */
const HOST = `
const { createOpenTerminal } = await import(process.argv[1] + '/terminal/open-terminal.js');
const { terminalOptions } = await import(process.argv[1] + '/options/terminal-options.js');
const { systemClock } = await import(process.argv[1] + '/base/clock.js');
const { silentLogger } = await import(process.argv[1] + '/base/logger.js');
const open = createOpenTerminal({ options: terminalOptions({ enabled: true }, 'terminal'), clock: systemClock, logger: silentLogger });
const target = { kind: 'new', id: 'x', command: ['/bin/sh', '-c', 'trap "" HUP; sleep 1000'], cols: 80, rows: 24, cwd: '/', env: {} };
const nothing = () => undefined;
const listener = { onOutput: nothing, onGap: nothing, onResize: nothing, onExit: nothing, onFailed: nothing };
try {
  const terminal = await open(target, listener, new AbortController().signal, {});
  console.log('open ' + terminal.pid);
} catch (error) {
  console.log(error.code + ' ' + error.message);
}
`;

/** Another view of the file systems is for root alone, and not for root of every container. */
const canMount = spawnSync('unshare', ['-m', 'true'], { stdio: 'ignore' }).status === 0;

/**
 * @param mount - options of a file system in place of the folder.
 * @returns the first line that the host process says.
 */
async function startHost(folder: string, mount?: string): Promise<{ pid: number; line: string }> {
  const dist = pathToFileURL(join(root, 'dist')).href;
  const host = [process.execPath, '--input-type=module', '-e', HOST, dist];
  const mounted = [
    'unshare',
    '-m',
    'sh',
    '-ec',
    `mount -t tmpfs -o ${mount} none "$TMPDIR"; exec "$@"`,
    'sh',
  ];
  const [program = '', ...words] = mount === undefined ? host : [...mounted, ...host];
  const child = spawn(program, words, {
    env: { ...process.env, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  return { pid: child.pid ?? 0, line };
}

describe.skipIf(!isTmuxInstalled)('a terminal', () => {
  let folder: string;
  let server: TerminalServer;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'terminal-tmux-test-'));
    server = await TerminalServer.start({
      maxSessions: 20,
      terminal: { enabled: true, anyCommand: true, ...SHELL, stateDir: join(folder, 'state') },
    });
  });

  afterAll(async () => {
    await server.close();
    endLeftTerminals(join(folder, 'state'));
    rmSync(folder, { recursive: true, force: true });
  });

  const socketOf = (client: TerminalClient): string => join(folder, 'state', client.id, 'tmux');

  const isSaid = (client: TerminalClient, text: string): boolean =>
    client.text.includes(text) || client.of('snapshot').some(({ data }) => isIn(data, text));

  async function answers(client: TerminalClient, mark: string): Promise<void> {
    client.send({ type: 'keys', data: `echo ${mark}-$((1 + 1))\r` });
    await client.until(() => isSaid(client, `${mark}-2`));
    expect((await server.state(client.id)).json).toMatchObject({ status: 'streaming' });
  }

  it('does not tell its program of the tmux server that runs it', async () => {
    const client = await server.open();
    await client.untilText('$ ');
    client.send({ type: 'keys', data: 'echo "[${TMUX-none} ${TMUX_PANE-none}]"\r' });
    await client.untilText('[none none]');
  });

  it.each([
    ['rename-session', 'rename-session other'],
    ['detach', "detach-client -s '$0'"],
    ['copy-mode', 'copy-mode -t %0'],
    ['choose-tree', 'choose-tree -t %0'],
    ['clock-mode', 'clock-mode -t %0'],
    ['a new window', 'new-window -d cat'],
  ])('goes on after %s', async (mark, command) => {
    const client = await server.open();
    await client.untilText('$ ');
    client.send({ type: 'keys', data: `tmux -S ${socketOf(client)} ${command}; echo ran-$((1 + 1))\r` });
    await client.until(() => isSaid(client, 'ran-2'));
    await answers(client, mark.replace(/ /g, '_'));
    await answers(client, 'again');
  });

  it('goes on after it was detached many times', async () => {
    const client = await server.open();
    await client.untilText('$ ');
    for (let round = 0; round < 6; round++) {
      const tmux = (...words: string[]): string =>
        spawnSync('tmux', ['-S', socketOf(client), ...words]).stdout.toString();
      const before = tmux('list-clients', '-F', '#{client_pid}');
      tmux('detach-client', '-s', '$0');
      await until(() => {
        const now = tmux('list-clients', '-F', '#{client_pid}');
        expect(now !== '' && now !== before).toBe(true);
      });
      await answers(client, `round${round}`);
    }
  });

  it('runs another tmux inside', async () => {
    const configuration = join(folder, 'inner.conf');
    // Keys that come at once would be taken for pasted text, in which it looks for no key of its own.
    writeFileSync(configuration, 'set -s escape-time 0\nset -g assume-paste-time 0\n');
    const inner = join(folder, 'inner');
    const client = await server.open();
    await client.untilText('$ ');
    client.send({ type: 'keys', data: `tmux -S ${inner} -f ${configuration} new-session bash --norc\r` });
    await client.until(() => client.text.includes('[0] 0:'));
    try {
      client.send({ type: 'keys', data: 'echo inner-$((1 + 1))\r' });
      await client.untilText('inner-2');
      client.send({ type: 'keys', data: '\u0002d' });
      await client.untilText('[detached');
      await answers(client, 'outer');
    } finally {
      spawnSync('tmux', ['-S', inner, 'kill-server']);
    }
  });

  it('has a socket in a folder that no other user can enter', async () => {
    const client = await server.open();
    await client.untilText('$ ');
    const path = socketOf(client);
    const mode = (name: string): string => (lstatSync(name).mode & 0o777).toString(8);
    expect(lstatSync(path).isSocket()).toBe(true);
    expect(Number.parseInt(mode(path), 8) & 0o007).toBe(0);
    expect([mode(join(path, '..')), mode(join(folder, 'state'))]).toEqual(['700', '700']);
  });
});

describe.skipIf(!isTmuxInstalled)('the folder of a terminal', () => {
  let folder: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'terminal-folder-test-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('goes with the terminal when the server is killed', async () => {
    const { pid, line } = await startHost(folder);
    expect(line).toMatch(/^open \d+$/);
    expect(readdirSync(folder)).toHaveLength(1);
    process.kill(pid, 'SIGKILL');
    await until(() => expect(readdirSync(folder)).toEqual([]));
    await until(async () => expect(await processesNaming(folder)).toEqual([]));
    const { stdout } = spawnSync('ps', ['-o', 'stat=', '-s', line.slice(5)]);
    expect(stdout.toString().replaceAll(/Z\S*\s*/g, '')).toBe('');
  });

  it.each([
    ['that listens', () => undefined],
    // As one that was only starting when its server was killed.
    ['that nobody reaches', (left: string) => rmSync(join(left, 'tmux'))],
  ])('is removed by the next server, with a tmux %s', async (_state, before) => {
    const left = join(tmpdir(), 'stream-kit-terminal-4194305-1-0123456789abcdef');
    mkdirSync(left);
    execFileSync('tmux', ['-S', join(left, 'tmux'), '-f', '/dev/null', 'new-session', '-d', 'cat']);
    before(left);
    await sweepTemporaryFolders('tmux');
    expect(existsSync(left)).toBe(false);
    await until(async () => expect(await processesNaming(left)).toEqual([]));
  });

  it.skipIf(!canMount).each([
    ['read-only', 'ro', 'EROFS'],
    ['full', 'nr_inodes=1', 'ENOSPC'],
  ])('is named in the error where the folder for temporary files is %s', async (_name, mount, code) => {
    const { line } = await startHost(folder, mount);
    expect(line).toMatch(/^terminal_failed The terminal needs a folder of its own, /);
    expect(line).toContain(code);
  });

  it('is named in the error where it cannot be made', async () => {
    const { line } = await startHost('/proc/self');
    expect(line).toMatch(
      /^terminal_failed The terminal needs a folder of its own, .*\/proc\/self .*TMPDIR.*: E/,
    );
  });
});

function isIn(data: unknown, text: string): boolean {
  return Buffer.from(String(data), 'base64').toString().includes(text);
}
