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
  import { openSync } from 'node:fs';
  import { EncoderProbe } from '${join(root, 'dist/render/encode/encoder-probe.js')}';
  import { tryIn } from '${join(root, 'dist/render/graphics/renderer-trial.js')}';
  import { createOpenTerminal } from '${join(root, 'dist/terminal/open-terminal.js')}';
  import { TmuxServer } from '${join(root, 'dist/terminal/tmux-server.js')}';
  import { printedVersion } from '${join(root, 'dist/render/capture/browser-version.js')}';
  import { systemClock } from '${join(root, 'dist/base/clock.js')}';
  import { silentLogger } from '${join(root, 'dist/base/logger.js')}';

  // What is loaded with the first line that is printed needs descriptors.
  console.log('ready');
  try {
    for (;;) openSync('/dev/null');
  } catch {}
  const common = { timeoutMs: 60_000, keepsAlive: true };
  const candidates = [{ name: 'libx264', codec: 'h264', device: undefined }];
  const [report] = await new EncoderProbe({ candidates, measureMs: 0, ...common }).reports;
  const trial = await tryIn('no-program.js', {
    launchOptions: {}, signal: new AbortController().signal, ...common,
  });
  const server = new TmuxServer({ tmuxPath: '/bin/cat', socketPath: '/nowhere', clock: systemClock });
  const { ok } = await server.run(['list-sessions'], Buffer.from('x'));
  const open = createOpenTerminal({ options: { tmuxPath: '/bin/cat' }, clock: systemClock, logger: silentLogger });
  const target = { kind: 'new', id: '1', command: ['/bin/true'], cols: 80, rows: 24, cwd: '/', env: {} };
  const terminal = await open(target, {}, new AbortController().signal, {}).catch(({ code }) => code);
  const version = await printedVersion('/bin/true');
  await new Promise((resolve) => setImmediate(resolve));
  console.log(JSON.stringify([report.untried, report.reason, trial.end, trial.reason, ok, terminal, version]));
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
    const told = [true, refused, 'untried', refused, false, 'terminal_failed', ''];
    expect(JSON.parse(stdout.split('\n')[1] ?? '')).toEqual(told);
    expect(await readdir(folder)).toEqual([]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
