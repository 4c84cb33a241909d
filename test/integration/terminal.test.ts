import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { until } from '../helpers/patience.js';
import { postJson, ask, EventStreamClient } from '../helpers/router-server.js';
import { seededRandom } from '../helpers/seeded-random.js';
import {
  endLeftTerminals,
  isTmuxInstalled,
  snapshotText,
  TerminalServer,
} from '../helpers/terminal-server.js';

if (!isTmuxInstalled) {
  describe('terminals', () => {
    it.skip('are not tested: tmux is not installed', () => undefined);
  });
}

/** Says in hexadecimal numbers what it reads, and each size that it is given. */
const ECHO_IN_HEX = `
  process.stdin.setRawMode(true);
  process.stdin.on('data', (data) => process.stdout.write('<' + data.toString('hex') + '>'));
  process.stdout.on('resize', () => process.stdout.write(process.stdout.columns + 'x' + process.stdout.rows + ' '));
  process.stdout.write('ready' + (process.argv[1] ?? ''));
`;

let folder: string;
let server: TerminalServer;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'terminal-test-'));
  if (!isTmuxInstalled) return;
  server = await TerminalServer.start({
    maxSessions: 30,
    terminal: {
      enabled: true,
      anyCommand: true,
      command: ['/bin/bash', '--norc', '--noprofile'],
      env: { PS1: '$ ' },
    },
  });
});

afterAll(async () => {
  // A test that has failed leaves them.
  for (const name of ['state', 'kept']) endLeftTerminals(join(folder, name));
  rmSync(folder, { recursive: true, force: true });
  if (isTmuxInstalled) await server.close();
});

const hex = (text: string): string => Buffer.from(text).toString('hex');
const sha = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** What was read in pieces of any size. */
const inHex = (text: string): string => [...text.matchAll(/<([0-9a-f]*)>/g)].map(([, read]) => read).join('');

function isRunning(pid: number): boolean {
  const { stdout } = spawnSync('ps', ['-o', 'stat=', '-p', String(pid)]);
  return stdout.length > 0 && !stdout.toString().startsWith('Z');
}

describe.skipIf(!isTmuxInstalled)('a terminal', () => {
  it('says what it is, runs its command and can be typed into', async () => {
    const client = await server.open({ cols: 100, rows: 30 });
    await client.untilText('$ ');
    expect(client.messages[0]).toMatchObject({
      type: 'session-meta',
      name: client.id,
      kind: 'terminal',
      cols: 100,
      rows: 30,
    });
    expect(client.messages[1]).toMatchObject({ type: 'state', value: { streamId: client.id } });
    client.send({ type: 'keys', data: 'echo $((6 * 7)) $COLUMNS "${STREAM_KIT_SECRET:-none}"\r' });
    await client.untilText('42 100 none');
    const { json } = await server.state(client.id);
    expect(json).toMatchObject({
      status: 'streaming',
      targetUrl: '',
      metadata: { video: null, capture: null, terminal: { cols: 100, rows: 30, exitStatus: null } },
    });
    const { pid } = (json as { instanceInfo: { pid: number } }).instanceInfo;
    expect(isRunning(pid)).toBe(true);
    const deleted = await ask(`${server.url}/${client.id}`, { method: 'DELETE' });
    expect(deleted.status).toBe(204);
    expect(isRunning(pid)).toBe(false);
    await client.untilClosed();
    expect(client.closed).toEqual({ code: 1000, reason: 'deleted' });
  });

  it('gets what was typed before it ran, and refuses what is too much for that', async () => {
    const [go, tmuxPath] = [join(folder, 'go'), join(folder, 'late-tmux')];
    writeFileSync(tmuxPath, `#!/bin/sh\nwhile [ ! -e ${go} ]; do sleep 0.02; done\nexec tmux "$@"\n`, {
      mode: 0o755,
    });
    const late = await TerminalServer.start({
      terminal: { enabled: true, command: [process.execPath, '-e', ECHO_IN_HEX], tmuxPath },
    });
    try {
      const client = await late.open();
      await client.until(() => client.of('role').length > 0);
      client.send({ type: 'keys', data: 'ab' });
      client.send({ type: 'keyboard', action: 'down', key: 'Control', code: 'ControlLeft' });
      client.send({ type: 'keyboard', action: 'down', key: 'x', code: 'KeyX' });
      client.send({ type: 'keyboard', action: 'up', key: 'Control', code: 'ControlLeft' });
      client.send({ type: 'paste', data: 'c' });
      // Of these nothing comes to the program.
      for (let count = 0; count < 40; count++) client.send({ type: 'composition', text: 'e'.repeat(4000) });
      await client.until(() => client.of('error').length > 0);
      // What was refused takes no room.
      client.send({ type: 'keys', data: 'd' });
      expect(client.of('error')[0]).toMatchObject({
        code: 'bad_input',
        message: 'Too much input waits for the terminal',
      });
      writeFileSync(go, '');
      await client.untilText('ready');
      client.send({ type: 'keys', data: 'f' });
      await client.until(() => inHex(client.text).endsWith(hex('f')));
      expect(Buffer.from(inHex(client.text), 'hex').toString()).toBe('ab\u0018cdf');
    } finally {
      writeFileSync(go, '');
      await late.close();
    }
  });

  it('tells how its command ended, with all that it wrote, also to those that come too late', async () => {
    const { json } = await server.create({ command: ['/bin/sh', '-c', 'printf "some words"; exit 3'] });
    const { streamId } = json as { streamId: string };
    const early = await server.connect(streamId);
    await early.untilClosed();
    expect(early.closed).toEqual({ code: 1000, reason: 'exited' });
    expect(early.text).toBe('some words');
    expect(early.of('state').at(-1)).toMatchObject({
      value: { status: 'terminated', metadata: { terminal: { exitStatus: 3, exitSignal: null } } },
    });
    const late = await server.connect(streamId, 'unsaid');
    await late.untilClosed();
    expect(late.text).toBe('some words');
    expect((await server.state(streamId)).json).toMatchObject({ status: 'terminated' });
    const killed = await server.open({ command: 'kill -9 $$' });
    await killed.untilClosed();
    expect(killed.of('state').at(-1)).toMatchObject({
      value: { metadata: { terminal: { exitStatus: 137, exitSignal: 'SIGKILL' } } },
    });
  });

  it('gives every byte once, over 200 random cuts', async () => {
    const random = seededRandom(23);
    const written = Buffer.from(Array.from({ length: 2_000_000 }, () => Math.floor(random() * 256)));
    const path = join(folder, 'bytes');
    writeFileSync(path, written);
    // Raw: the terminal's own line discipline would change what is written.
    const script = `stty raw -echo; for i in $(seq 0 199); do dd if=${path} bs=10000 skip=$i count=1 2>/dev/null; [ $i -gt 190 ] || sleep 0.005; done`;
    const { json } = await server.create({ command: script });
    const { streamId } = json as { streamId: string };
    const seen: Buffer[] = [];
    let lastSeq: number | null = null;
    for (let cut = 0; cut < 200; cut++) {
      const client = await server.connect(streamId, lastSeq);
      await client.until(() => client.frames.length > 0 || client.closed !== undefined);
      // Some of what was sent never arrives.
      for (const { seq, data } of client.frames.slice(0, 1 + Math.floor(random() * 3))) {
        seen.push(data);
        lastSeq = seq;
      }
      client.cut();
    }
    const rest = await server.connect(streamId, lastSeq);
    await rest.untilClosed();
    seen.push(rest.bytes);
    expect(rest.of('snapshot')).toEqual([]);
    expect(sha(Buffer.concat(seen))).toBe(sha(written));
  });

  it('passes on what a client types and pastes, byte by byte', async () => {
    // Bracketed paste and application cursor keys.
    const client = await server.open({
      command: [process.execPath, '-e', ECHO_IN_HEX, '\u001b[?2004h\u001b[?1h'],
    });
    await client.untilText('ready');
    const expected: string[] = [];
    const send = (message: Readonly<Record<string, unknown>>, typed: string): void => {
      client.send(message);
      expected.push(hex(typed));
    };
    send({ type: 'keys', data: 'a;\'"\\ #{pid} $(x)\n\u0000é😀' }, 'a;\'"\\ #{pid} $(x)\n\u0000é😀');
    send({ type: 'text', text: '漢字' }, '漢字');
    send({ type: 'key', name: 'Enter' }, '\r');
    send({ type: 'key', name: 'C-c' }, '\u0003');
    send({ type: 'key', name: 'Up' }, '\u001bOA');
    send({ type: 'key', name: 'C-Left' }, '\u001b[1;5D');
    send({ type: 'key', name: 'BTab' }, '\u001b[Z');
    send({ type: 'key', name: 'F5' }, '\u001b[15~');
    send({ type: 'key', name: 'M-x' }, '\u001bx');
    send({ type: 'key', name: 'C-Space' }, '\u0000');
    send({ type: 'key', name: 'BSpace' }, '\u007f');
    send({ type: 'paste', data: 'two\nlines\u001b[20\u001b[201~1~;' }, '\u001b[200~two\rlines;\u001b[201~');
    send({ type: 'keyboard', action: 'down', code: 'KeyA', key: 'a' }, 'a');
    send({ type: 'keyboard', action: 'up', code: 'KeyA', key: 'a' }, '');
    send({ type: 'keyboard', action: 'down', code: 'ControlLeft', key: 'Control' }, '');
    send({ type: 'keyboard', action: 'down', code: 'KeyD', key: 'd' }, '\u0004');
    send({ type: 'keyboard', action: 'up', code: 'ControlLeft', key: 'Control' }, '');
    send({ type: 'keyboard', action: 'down', code: 'ArrowDown', key: 'ArrowDown' }, '\u001bOB');
    send({ type: 'keyboard', action: 'down', code: 'KeyE', key: 'é' }, 'é');
    send({ type: 'composition', text: 'xyz' }, '');
    send({ type: 'keys', data: 'end' }, 'end');
    await client.until(() => inHex(client.text).endsWith(hex('end')));
    expect(inHex(client.text)).toBe(expected.join(''));
    expect(client.of('error')).toEqual([]);
    for (const message of [
      { type: 'pointer', action: 'move', x: 0, y: 0 },
      { type: 'key', name: 'C-c; kill-server' },
      { type: 'resize', width: 640, height: 480 },
      { type: 'resize', cols: 80, rows: 999 },
      { type: 'nonsense' },
    ])
      client.send(message);
    await client.until(() => client.of('error').length === 5);
    expect(client.of('error').map(({ code }) => code)).toEqual([
      ...['bad_input', 'bad_input', 'bad_input', 'bad_input', 'bad_message'],
    ]);
    client.send({ type: 'resize', cols: 132, rows: 43 });
    await client.untilText('132x43');
    await client.until(() => client.of('session-meta').at(-1)?.cols === 132);
    expect((await server.state(client.id)).json).toMatchObject({
      metadata: { terminal: { cols: 132, rows: 43 } },
    });
  });

  it('can be drawn from a snapshot as it is', async () => {
    const art =
      '\\033[1;31mred\\033[0m \\033[44m blue \\033[0m\\r\\n\\033[7mé漢\\033[0m\\033[5;10H%%end 1 2 3\\n%%output';
    const size = { cols: 60, rows: 12 };
    const client = await server.open({ ...size, command: `printf '${art}\\033[3;7r\\033[4;20H'; cat` });
    await client.untilText('output');
    const snapshot = await client.snapshot();
    expect(snapshot).toContain('red');
    expect(snapshot).toContain('\u001b[31m');
    expect(snapshot).toContain('%end 1 2 3');
    writeFileSync(join(folder, 'drawing'), snapshot);
    const copy = await server.open({ ...size, command: `stty raw -echo; cat ${join(folder, 'drawing')} -` });
    await copy.until(() => copy.bytes.byteLength >= Buffer.byteLength(snapshot));
    expect(await copy.snapshot()).toBe(snapshot);
  });

  it('is the same to all its clients, and obeys those that may control alone', async () => {
    const roles = await TerminalServer.start({
      terminal: { enabled: true, commands: { cat: ['/bin/cat'] }, command: ['/bin/sh'] },
      validateRequest: (request) => ({
        authorized: true,
        role: request.url?.includes('stream') === true ? 'viewer' : 'owner',
      }),
    });
    try {
      const viewer = await roles.open({ command: 'cat' });
      viewer.send({ type: 'keys', data: 'x' });
      await viewer.until(() => viewer.of('error').length === 1);
      expect(viewer.of('error')[0]).toMatchObject({ code: 'forbidden' });
      expect((await roles.create({ command: 'ls' })).json).toMatchObject({ error: { code: 'forbidden' } });
      expect((await roles.create({ command: ['ls'] })).status).toBe(403);
      expect((await roles.create({ env: { LD_PRELOAD: '/x' } })).status).toBe(403);
      expect((await roles.create({ cwd: '/etc' })).status).toBe(403);
      expect((await roles.create({ cols: 100_000 })).status).toBe(400);
      expect((await postJson(roles.url, { terminal: {}, targetUrl: 'http://localhost' })).status).toBe(400);
    } finally {
      await roles.close();
    }
  });

  it('has no media, and says so', async () => {
    const client = await server.open({ command: 'cat' });
    const url = `${server.url}/${client.id}`;
    const events = await EventStreamClient.open(`${url}/sse`);
    await events.until(() =>
      events.events.some(
        ({ data }) =>
          JSON.stringify(data).includes('"connecting"') || JSON.stringify(data).includes('"streaming"'),
      ),
    );
    expect(events.events.filter(({ data }) => data.type === 'sdp_offer')).toEqual([]);
    const answers = await Promise.all([
      postJson(`${url}/signal`, { viewerId: 'x', type: 'ice_restart' }),
      ask(`${url}/snapshot`),
      ask(`${url}/whep`, { method: 'POST', headers: { 'content-type': 'application/sdp' }, body: 'v=0' }),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([409, 409, 409]);
    await expect(server.router.sessions.get(client.id).reconfigure({ frameRate: 5 })).rejects.toMatchObject({
      code: 'conflict',
    });
    await ask(url, { method: 'DELETE' });
    await events.signal('closed');
  });

  it('is one for the event stream and the WebSocket of a viewer, which reads it to its end', async () => {
    const { json } = await server.create({
      command: ['/bin/sh', '-c', 'printf "? "; read line; printf "said $line"'],
    });
    const events = await EventStreamClient.open(`${server.url}/${json.streamId}/sse`);
    const { viewerId } = await events.signal<{ viewerId: string }>('viewer');
    const client = await server.connect(json.streamId as string, null, `?viewerId=${viewerId}`);
    await client.untilText('? ');
    expect(client.of('role')).toMatchObject([{ role: 'controller', publicId: '1' }]);
    expect((await server.state(client.id)).json.metadata.viewers).toBe(1);
    client.send({ type: 'keys', data: 'words\r' });
    await client.untilClosed();
    expect([client.text, client.closed?.reason]).toEqual([expect.stringContaining('said words'), 'exited']);
  });

  it('ends alone when tmux dies', async () => {
    const [one, other] = [await server.open({}), await server.open({})];
    await one.untilText('$ ');
    const { pid } = (await server.state(one.id)).json.instanceInfo as { pid: number };
    const parent = spawnSync('ps', ['-o', 'ppid=', '-p', String(pid)]).stdout.toString();
    process.kill(Number(parent), 'SIGKILL');
    await one.untilClosed();
    expect(one.closed).toEqual({ code: 1011, reason: 'error' });
    expect((await server.state(one.id)).json).toMatchObject({
      status: 'error',
      error: 'The terminal was lost',
    });
    other.send({ type: 'keys', data: 'echo still $((1 + 1))\r' });
    await other.untilText('still 2');
  });
});

describe.skipIf(!isTmuxInstalled)('terminals that are off', () => {
  it('are refused', async () => {
    for (const terminal of [undefined, { enabled: false }]) {
      const off = await TerminalServer.start(terminal === undefined ? {} : { terminal });
      expect((await off.create({})).json).toMatchObject({ error: { code: 'forbidden' } });
      await off.close();
    }
  });
});

describe.skipIf(!isTmuxInstalled)('a terminal with a folder for its state', () => {
  it('outlives the server, with its output, and ends with its session', async () => {
    const options = {
      sessionTimeout: 60_000,
      terminal: {
        enabled: true,
        command: ['/bin/bash', '--norc', '--noprofile'],
        env: { PS1: '$ ' },
        stateDir: join(folder, 'state'),
      },
    } as const;
    const first = await TerminalServer.start(options);
    await expect(TerminalServer.start(options)).rejects.toMatchObject({ code: 'bad_option' });
    const before = await first.open();
    await before.untilText('$ ');
    before.send({ type: 'keys', data: 'mark=kept; echo one-$mark\r' });
    await before.until(() => /one-kept[^]*\$ $/.test(before.text));
    const { json } = await first.state(before.id);
    const { pid } = (json as { instanceInfo: { pid: number } }).instanceInfo;
    const middle = before.frames[0]?.seq ?? 0;
    await first.close();
    expect(before.closed).toEqual({ code: 1001, reason: 'shutdown' });
    expect(isRunning(pid)).toBe(true);
    const state = join(folder, 'state', before.id);
    const modes = spawnSync('find', [state, '-not', '-name', 'tmux', '-printf', '%y%m\n']).stdout.toString();
    expect([...new Set(modes.trim().split('\n'))].sort()).toEqual(['d700', 'f600']);

    const second = await TerminalServer.start(options);
    try {
      const all = await second.connect(before.id);
      const rest = await second.connect(before.id, middle);
      await all.until(() => all.of('snapshot').length === 1);
      await rest.until(() => rest.of('snapshot').length === 1);
      expect(all.frames).toEqual(before.frames);
      expect(rest.frames).toEqual(before.frames.slice(1));
      expect(snapshotText(rest.of('snapshot')[0])).toContain('one-kept');
      // The first that came is the controller.
      all.send({ type: 'keys', data: 'echo two-$mark\r' });
      await rest.untilText('two-kept');
      expect(rest.lastSeq).toBeGreaterThan(before.lastSeq ?? 0);
      await all.untilText('two-kept');
      expect((await second.state(before.id)).json).toMatchObject({ instanceInfo: { pid } });
      await ask(`${second.url}/${before.id}`, { method: 'DELETE' });
      expect(isRunning(pid)).toBe(false);
      expect(readdirSync(join(folder, 'state'))).toEqual(['owner']);
    } finally {
      await second.close();
    }
    expect(readdirSync(join(folder, 'state'))).toEqual([]);
  });
});

describe.skipIf(!isTmuxInstalled)('a terminal that was left, without a tmux that can be started', () => {
  it('is kept for the next server, and not taken for ended', async () => {
    const stateDir = join(folder, 'kept');
    const command = ['/bin/bash', '--norc', '--noprofile'] as const;
    const terminal = { enabled: true, command, env: { PS1: '$ ' }, stateDir } as const;
    const first = await TerminalServer.start({ terminal });
    const before = await first.open();
    const { id } = before;
    await before.untilText('$ ');
    const { pid } = ((await first.state(id)).json as { instanceInfo: { pid: number } }).instanceInfo;
    await first.close();
    const second = await TerminalServer.start({
      launchTimeoutMs: 100,
      terminal: { ...terminal, tmuxPath: '/nowhere/tmux' },
    });
    try {
      await until(async () =>
        expect((await second.state(id)).json).toMatchObject({
          status: 'error',
          errorCode: 'terminal_failed',
        }),
      );
    } finally {
      await second.close();
    }
    const another = await TerminalServer.start({ terminal: { ...terminal, tmuxPath: '/nowhere/tmux' } });
    try {
      expect((await another.state(id)).json).toMatchObject({ status: 'initializing' });
      // It cannot be ended, so it is not forgotten.
      await ask(`${another.url}/${id}`, { method: 'DELETE' });
    } finally {
      await another.close();
    }
    const third = await TerminalServer.start({ terminal });
    try {
      await third.connect(id);
      await until(async () =>
        expect((await third.state(id)).json).toMatchObject({ status: 'streaming', instanceInfo: { pid } }),
      );
      await ask(`${third.url}/${id}`, { method: 'DELETE' });
      expect(isRunning(pid)).toBe(false);
    } finally {
      await third.close();
    }
  });
});

describe.skipIf(!isTmuxInstalled)('a tmux session of somebody else', () => {
  it('is attached to by its name, typed into, and left as it was', async () => {
    const socketPath = join(folder, 'socket');
    const tmux = (...words: string[]): string =>
      spawnSync('tmux', ['-S', socketPath, '-f', '/dev/null', ...words]).stdout.toString();
    tmux(
      'new-session',
      '-d',
      '-s',
      'work',
      '-x',
      '70',
      '-y',
      '20',
      '--',
      '/bin/sh',
      '-c',
      'printf before; exec cat',
    );
    await until(() => expect(tmux('capture-pane', '-p', '-t', 'work')).toContain('before'));
    tmux('new-session', '-d', '-s', 'private', '--', '/bin/cat', '-');
    const attaching = await TerminalServer.start({
      terminal: { enabled: true, attach: { names: ['work', 'gone'], socketPath } },
    });
    try {
      const client = await attaching.connect('work');
      await client.until(() => client.of('snapshot').length === 1);
      expect(snapshotText(client.of('snapshot')[0])).toContain('before');
      client.send({ type: 'keys', data: 'hello\n' });
      await client.untilText('hello\r\nhello');
      expect((await attaching.state('work')).json).toMatchObject({
        metadata: { terminal: { cols: 70, rows: 20, attached: true } },
      });
      for (const name of ['private', 'gone', 'nothing', 'work%3A0', '%24 0', '=work', 'wor*', '%2e%2e']) {
        expect((await attaching.state(name)).status).toBe(404);
      }
      await expect(attaching.connect('private')).rejects.toThrow('404');
      await ask(`${attaching.url}/work`, { method: 'DELETE' });
      await client.untilClosed();
      const sessions = (): string => tmux('list-sessions', '-F', '#{session_name} #{session_attached}');
      await until(() => expect(sessions()).toBe('private 0\nwork 0\n'), 50);
      // Another reader ends it.
      const again = await attaching.connect('work');
      await again.until(() => again.of('snapshot').length === 1);
      tmux('kill-session', '-t', 'work');
      await again.untilClosed();
      expect(again.closed).toEqual({ code: 1000, reason: 'exited' });
    } finally {
      await attaching.close();
      tmux('kill-server');
    }
  });
});
