// Gives back what malloc keeps, so that what a process holds can be told from what it has freed.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * @returns what trims the heaps of malloc, and removes itself; undefined without glibc or a C compiler: resident memory then
 * includes what is free, which grows for hours as the heaps are cut up.
 */
export function buildTrim() {
  const folder = mkdtempSync(join(tmpdir(), 'soak-trim-'));
  const file = join(folder, 'trim-malloc.node');
  const source = join(import.meta.dirname, 'trim-malloc.c');
  const built = spawnSync('cc', ['-shared', '-fPIC', '-o', file, source], { stdio: 'ignore' });
  const remove = () => rmSync(folder, { recursive: true, force: true });
  if (built.status !== 0) {
    remove();
    return undefined;
  }
  // Loaded anew each time: that is what it does something at.
  return { trim: () => process.dlopen({ exports: {} }, file), remove };
}
