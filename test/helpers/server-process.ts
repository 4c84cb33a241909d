import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { PATIENCE_MS } from './patience.js';
import { root } from './product.js';

/** The stand-alone server in a process of its own, on a free port of 127.0.0.1. */
export class ServerProcess {
  readonly child: ChildProcess;
  readonly origin: string;

  private constructor(child: ChildProcess, origin: string) {
    this.child = child;
    this.origin = origin;
  }

  static async start(
    file = join(root, 'dist', 'demo', 'main.js'),
    cwd = root,
    args: readonly string[] = [],
  ): Promise<ServerProcess> {
    const child = spawn(process.execPath, [file, '--port', '0', ...args], {
      cwd,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    for await (const line of createInterface({ input: child.stdout })) {
      const origin = /http:\/\/127\.0\.0\.1:\d+/.exec(line)?.[0];
      if (origin !== undefined) return new ServerProcess(child, origin);
    }
    throw new Error('the server ended before it printed its address');
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Creates a session of the demo scene and waits until it is live. */
  async liveSession(): Promise<string> {
    const response = await fetch(`${this.origin}/stream`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ targetUrl: `${this.origin}/scene/`, renderOptions: { resolution: '320x180' } }),
    });
    const { streamId } = (await response.json()) as { streamId: string };
    const url = `${this.origin}/stream/${streamId}`;
    for (const end = performance.now() + 2 * PATIENCE_MS; performance.now() < end;) {
      const { status } = (await (await fetch(url)).json()) as { status: string };
      if (status === 'connecting') return url;
      if (status === 'error') break;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error('the session did not become live');
  }

  async end(signal: NodeJS.Signals): Promise<number | null> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return this.child.exitCode;
    const exited = once(this.child, 'exit') as Promise<[number | null]>;
    this.child.kill(signal);
    const [code] = await exited;
    return code;
  }
}

/** Profile directories, with their ring files, that the server of process `pid` owns. */
export function profilesOf(pid: number): string[] {
  return ['/dev/shm', tmpdir()].flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => name.startsWith(`stream-kit-${pid}-`))
      .map((name) => join(folder, name)),
  );
}

/** Living processes whose command line names one of `profiles`. */
export function browsersIn(profiles: readonly string[]): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => {
      try {
        const commandLine = readFileSync(`/proc/${pid}/cmdline`, 'latin1');
        return profiles.some((profile) => commandLine.includes(profile));
      } catch {
        return false;
      }
    });
}
