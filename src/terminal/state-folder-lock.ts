import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { StreamKitError } from '../base/errors.js';
import { isProcessAlive, processStartTicks } from '../base/process-table.js';

const NAME = 'owner';
/** `<pid> <its start, ticks>`. */
const OWNER = /^(\d{1,10}) (\d{1,20})$/;

/**
 * Keeps other servers out of a folder: each would take up the same terminals and write into the same files. What a
 * killed server left does not count. Servers that do not see each other's processes, as in two containers, do not see it.
 */
export class StateFolderLock {
  readonly #path: string;
  readonly #owner = `${process.pid} ${processStartTicks(process.pid) ?? '0'}`;
  #held = true;

  /** @throws StreamKitError `bad_option` where another server has the folder; Error of the system. */
  constructor(folder: string) {
    this.#path = join(folder, NAME);
    if (!this.#create()) {
      if (this.#isOwned()) {
        throw new StreamKitError(
          'bad_option',
          'The folder terminal.stateDir belongs to another server that runs',
        );
      }
      rmSync(this.#path, { force: true });
      if (!this.#create()) throw new Error('Another server has just taken the folder');
    }
  }

  /** Idempotent. */
  release(): void {
    if (!this.#held) return;
    this.#held = false;
    rmSync(this.#path, { force: true });
  }

  /** @returns false where there is one. */
  #create(): boolean {
    try {
      writeFileSync(this.#path, this.#owner, { flag: 'wx', mode: 0o600 });
      return true;
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code === 'EEXIST') return false;
      throw thrown;
    }
  }

  #isOwned(): boolean {
    const [, pid, startTicks = ''] = OWNER.exec(readFileSync(this.#path, 'latin1')) ?? [];
    return pid !== undefined && isProcessAlive(Number(pid), startTicks);
  }
}
