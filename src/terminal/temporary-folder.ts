import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { cleanUp } from '../base/clean-up.js';
import type { Logger } from '../base/logger.js';
import { isProcessAlive, processStartTicks } from '../base/process-table.js';
import { plainEnvironment } from './tmux-server.js';

/** `stream-kit-terminal-<pid of the server>-<its start, ticks>-<random>`: the name says whether the server still runs. */
const NAME = /^stream-kit-terminal-(\d{1,10})-(\d{1,20})-[0-9a-f]{16}$/;

/**
 * Kills a tmux server with everything its panes started, and removes its folder. `$0` is the folder and `$1` tmux; the
 * first field of proc_pid_stat(5) after the name in parentheses is the state, the fourth the session. A tmux that was only
 * starting did not listen yet: it is found by its command line.
 */
const CLEAN_UP = `
sessions=" $("$1" -S "$0/tmux" list-panes -a -F '#{pane_pid}' 2>/dev/null | tr '\\n' ' ')"
"$1" -S "$0/tmux" kill-server 2>/dev/null
sleep 0.3
for stat in /proc/[0-9]*/stat; do
  read -r line 2>/dev/null <"$stat" || continue
  set -- \${line##*) }
  case "$sessions" in *" $4 "*) kill -KILL "\${line%% *}" 2>/dev/null ;; esac
done
for file in $(grep -lF -- "$0/tmux" /proc/[0-9]*/cmdline 2>/dev/null); do
  process=\${file#/proc/}
  kill -KILL "\${process%/cmdline}" 2>/dev/null
done
rm -rf "$0"`;
/** The end of its input without a line means that the server is gone, by whatever signal. */
const WATCH = `if read -r line; then exit; fi${CLEAN_UP}`;

/** The folder of a terminal that ends with its server. */
export class TemporaryFolder {
  readonly path: string;
  readonly #watchdog: ChildProcess;

  private constructor(path: string, tmuxPath: string) {
    this.path = path;
    // A session of its own: a signal for the server's process group does not reach it.
    this.#watchdog = spawn('/bin/sh', ['-c', WATCH, path, tmuxPath], {
      cwd: '/',
      env: plainEnvironment(),
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    });
    // Without it the folder is removed when the next server starts.
    this.#watchdog.on('error', () => undefined);
    this.#watchdog.stdin?.on('error', () => undefined);
  }

  /** @throws Error of the system. */
  static async create(tmuxPath: string, logger: Logger): Promise<TemporaryFolder> {
    const start = processStartTicks(process.pid) ?? '0';
    const name = `stream-kit-terminal-${process.pid}-${start}-${randomBytes(8).toString('hex')}`;
    const path = join(tmpdir(), name);
    await mkdir(path, { mode: 0o700 });
    try {
      return new TemporaryFolder(path, tmuxPath);
    } catch (thrown) {
      // Some errors of a start are thrown (ENOMEM).
      await cleanUp(rm(path, { recursive: true, force: true }), 'the folder of a terminal', logger);
      throw thrown;
    }
  }

  /** Idempotent. */
  async remove(): Promise<void> {
    this.#watchdog.stdin?.end('\n');
    await rm(this.path, { recursive: true, force: true });
  }
}

/** Ends the terminals that a killed server has left in the folder for temporary files, and removes their folders. */
export async function sweepTemporaryFolders(tmuxPath: string): Promise<void> {
  const names = await readdir(tmpdir()).catch(() => []);
  const left = names.filter((name) => {
    const [, pid, startTicks = ''] = NAME.exec(name) ?? [];
    return pid !== undefined && !isProcessAlive(Number(pid), startTicks);
  });
  await Promise.all(
    left.map((name) =>
      new Promise<void>((resolve) => {
        const child = spawn('/bin/sh', ['-c', CLEAN_UP, join(tmpdir(), name), tmuxPath], {
          cwd: '/',
          env: plainEnvironment(),
          stdio: 'ignore',
        });
        child.once('close', () => resolve());
        child.once('error', () => resolve());
        // Some errors of a start are thrown (ENOMEM). What is left then stays until the next server starts.
      }).catch(() => undefined),
    ),
  );
}
