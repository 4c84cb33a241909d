import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { expect, it } from 'vitest';

import { PATIENCE_MS } from '../helpers/patience.js';
import { root } from '../helpers/product.js';

/** Starts programs in a process that has no descriptors left, and prints what it was told of each. */
const SCRIPT = `
  import { closeSync, openSync } from 'node:fs';
  import { createServer } from 'node:net';
  import { join } from 'node:path';
  import { EncoderProbe } from '${join(root, 'dist/render/encode/encoder-probe.js')}';
  import { tryIn } from '${join(root, 'dist/render/graphics/renderer-trial.js')}';
  import { canAttach, createOpenTerminal } from '${join(root, 'dist/terminal/open-terminal.js')}';
  import { TmuxServer } from '${join(root, 'dist/terminal/tmux-server.js')}';
  import { printedVersion } from '${join(root, 'dist/render/capture/browser-version.js')}';
  import { systemClock } from '${join(root, 'dist/base/clock.js')}';
  import { silentLogger } from '${join(root, 'dist/base/logger.js')}';

  const socketPath = join(process.env.TMPDIR, 'socket');
  await new Promise((resolve) => createServer().listen(socketPath, resolve).unref());
  // What is loaded with the first line that is printed needs descriptors.
  console.log('ready');
  const taken = [];
  try {
    for (;;) taken.push(openSync('/dev/null'));
  } catch {}
  const common = { timeoutMs: 60_000, keepsAlive: true };
  const candidates = [{ name: 'libx264', codec: 'h264', device: undefined }];
  const [report] = await new EncoderProbe({ candidates, measureMs: 0, ...common }).reports;
  const trial = await tryIn('no-program.js', {
    launchOptions: {}, signal: new AbortController().signal, ...common,
  });
  const server = new TmuxServer({ tmuxPath: '/bin/cat', socketPath: '/nowhere', clock: systemClock });
  const { ok, started } = await server.run(['list-sessions'], Buffer.from('x'));
  const options = { tmuxPath: '/bin/false', stateDir: '/nowhere', attach: { socketPath } };
  const attached = await canAttach({ options, clock: systemClock }, 'x').catch(({ code }) => code);
  const logged = [];
  const logger = { ...silentLogger, child: () => logger, warn: (context, message) => logged.push(message) };
  const open = createOpenTerminal({ options, clock: systemClock, logger });
  const target = { kind: 'new', id: '1', command: ['/bin/true'], cols: 80, rows: 24, cwd: '/', env: {} };
  const terminal = await open(target, {}, new AbortController().signal, {}).catch(({ code }) => code);
  // It is asked for again until tmux can be started, which then has no such session.
  const left = open({ kind: 'left', id: '1' }, {}, new AbortController().signal, {}).catch(({ message }) => message);
  const version = await printedVersion('/bin/true');
  await new Promise((resolve) => setImmediate(resolve));
  console.log(JSON.stringify([report.untried, report.reason, trial.end, trial.reason, ok, started, terminal, version]));
  while (logged.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  for (const descriptor of taken) closeSync(descriptor);
  console.log(JSON.stringify([attached, logged[0], await left]));
`;

it('a server without descriptors reports the programs that it cannot start, and lives on', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'stream-kit-descriptors-'));
  try {
    const { stdout } = await promisify(execFile)(
      '/bin/sh',
      ['-c', 'ulimit -n 128; exec "$0" --input-type=module -e "$1"', process.execPath, SCRIPT],
      { env: { ...process.env, TMPDIR: folder }, timeout: PATIENCE_MS, killSignal: 'SIGKILL' },
    );
    const refused = `spawn ${process.execPath} EMFILE`;
    const [, refusals = '', later = ''] = stdout.split('\n');
    const told = [true, refused, 'untried', refused, false, false, 'terminal_failed', ''];
    expect(JSON.parse(refusals)).toEqual(told);
    expect(JSON.parse(later)).toEqual([
      'terminal_failed',
      'a terminal that was left could not be asked for',
      'The terminal has ended while the server was away',
    ]);
    expect(await readdir(folder)).toEqual([]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
