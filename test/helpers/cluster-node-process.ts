import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import { build } from 'esbuild';

import { BreakableProcess } from './breakable-process.js';

const ROOT = join(import.meta.dirname, '..', '..');
const PROGRAMS = join(ROOT, 'node_modules', '.cache', 'stream-kit-tests');
const built = new Map<string, Promise<unknown>>();

/** A node of a cluster in a process of its own, which can be stopped and killed. */
export class ClusterNodeProcess extends BreakableProcess {
  private constructor(
    child: ChildProcess,
    readonly url: string,
    /** Where the node tells of itself alone, if its program does. */
    readonly ownUrl: string,
  ) {
    super(child);
  }

  /** @param options - `program`: name of a fixture; `port`: 0 is any. */
  static async start(
    nodeId: string,
    redis: string,
    { program = 'cluster-node', port = 0 } = {},
  ): Promise<ClusterNodeProcess> {
    const bundling = built.get(program) ?? bundle(program);
    built.set(program, bundling);
    await bundling;
    const child = spawn(process.execPath, [join(PROGRAMS, `${program}.mjs`), nodeId, redis, String(port)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    for await (const line of child.stdout) {
      const [url = '', ownUrl = ''] = String(line).trim().split(' ');
      return new ClusterNodeProcess(child, url, ownUrl);
    }
    throw new Error('The node does not start');
  }
}

/** Node 20 reads no TypeScript. */
async function bundle(program: string): Promise<void> {
  await mkdir(PROGRAMS, { recursive: true });
  await build({
    entryPoints: [join(ROOT, 'test', 'fixtures', `${program}.ts`)],
    outfile: join(PROGRAMS, `${program}.mjs`),
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
  });
}
