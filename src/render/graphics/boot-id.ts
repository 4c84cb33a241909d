import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * What tells one run of the kernel from the next; the same in all containers of a machine.
 *
 * @returns undefined where the kernel does not say.
 */
export function bootId(root = '/'): string | undefined {
  try {
    const id = readFileSync(join(root, 'proc/sys/kernel/random/boot_id'), 'utf8').trim();
    return id === '' ? undefined : id;
  } catch {
    return undefined;
  }
}
