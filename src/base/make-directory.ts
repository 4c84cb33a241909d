import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Makes a directory and those above it that are missing, for this user alone. Node's own `recursive` never returns below a
 * file system that answers ENOENT to every new name, such as procfs.
 *
 * @throws Error of the system.
 */
export function makeDirectorySync(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    const parent = dirname(path);
    if (code === 'ENOENT' && parent !== path && !isDirectory(parent)) {
      makeDirectorySync(parent);
      mkdirSync(path, { mode: 0o700 });
    } else if (!isDirectory(path)) throw thrown;
  }
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
