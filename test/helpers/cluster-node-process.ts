import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import { build } from 'esbuild';

const ROOT = join(import.meta.dirname, '..', '..');
const PROGRAM = join(ROOT, 'node_modules', '.cache', 'stream-kit-tests', 'cluster-node.mjs');
let built: Promise<unknown> | undefined;

/** A node of a cluster in a process of its own, which can be stopped and killed. */
export class ClusterNodeProcess {
  private constructor(
    private readonly child: ChildProcess,
    readonly url: string,
  ) {}

  static async start(nodeId: string, redis: string): Promise<ClusterNodeProcess> {
    await (built ??= bundle());
    const child = spawn(process.execPath, [PROGRAM, nodeId, redis], { stdio: ['ignore', 'pipe', 'inherit'] });
    for await (const line of child.stdout) {
      return new ClusterNodeProcess(child, String(line).trim());
    }
    throw new Error('The node does not start');
  }

  pause(): void {
    this.child.kill('SIGSTOP');
  }

  resume(): void {
    this.child.kill('SIGCONT');
  }

  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exited = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await exited;
  }
}

/** Node 20 reads no TypeScript. */
async function bundle(): Promise<void> {
  await mkdir(join(PROGRAM, '..'), { recursive: true });
  await build({
    entryPoints: [join(ROOT, 'test', 'fixtures', 'cluster-node.ts')],
    outfile: PROGRAM,
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
  });
}
