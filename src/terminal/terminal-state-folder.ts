import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { CALLER_ROLES, type CallerRole } from '../protocol/rights.js';
import { StreamKitError } from '../base/errors.js';
import { makeDirectorySync } from '../base/make-directory.js';
import type { Logger } from '../base/logger.js';
import { isPlainObject } from '../options/option-checks.js';
import type { ReplayRecord } from './replay-files.js';
import { ReplayFiles } from './replay-files.js';
import { StateFolderLock } from './state-folder-lock.js';

/** What the next run of the server must know of a terminal. */
export interface LeftTerminal {
  readonly id: string;
  /** ms since the epoch. */
  readonly createdAtMs: number;
  /** Who made it. */
  readonly owner: { readonly key: string; readonly id: string | undefined; readonly role: CallerRole };
}

const ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const RECORD = 'session.json';

/** The folder in which terminals outlive the server: one for each, for this user alone. */
export class TerminalStateFolder {
  readonly #path: string;
  readonly #replayBytes: number;
  readonly #logger: Logger;
  readonly #lock: StateFolderLock;

  /** @throws StreamKitError `bad_option` where the folder cannot be made, or another server has it. */
  constructor(path: string, replayBytes: number, logger: Logger) {
    this.#path = path;
    this.#replayBytes = replayBytes;
    this.#logger = logger;
    try {
      makeDirectorySync(path);
      this.#lock = new StateFolderLock(path);
    } catch (thrown) {
      if (thrown instanceof StreamKitError) throw thrown;
      throw new StreamKitError(
        'bad_option',
        `The folder terminal.stateDir cannot be made or written: ${codeOf(thrown)}`,
        {
          cause: thrown,
        },
      );
    }
  }

  /** Another server may have the folder. Idempotent. */
  close(): void {
    this.#lock.release();
  }

  /** What an earlier run has left. At the start, before anybody can ask: it does not wait for the disk. */
  left(): LeftTerminal[] {
    return readdirSync(this.#path)
      .filter((name) => ID.test(name))
      .flatMap((id) => {
        try {
          return parseLeft(id, JSON.parse(readFileSync(join(this.#path, id, RECORD), 'utf8'))) ?? [];
        } catch {
          return [];
        }
      });
  }

  async keep(terminal: LeftTerminal): Promise<void> {
    const folder = join(this.#path, terminal.id);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeFile(join(folder, RECORD), JSON.stringify(terminal), { mode: 0o600 });
  }

  /** The output of a terminal. */
  openReplay(
    id: string,
  ): Promise<{ readonly files: ReplayFiles; readonly records: readonly ReplayRecord[] }> {
    const directory = join(this.#path, id, 'replay');
    return ReplayFiles.open({ directory, maxBytes: this.#replayBytes, logger: this.#logger });
  }

  /** Removes everything of a terminal that has ended. */
  async remove(id: string): Promise<void> {
    await rm(join(this.#path, id), { recursive: true, force: true });
  }
}

function parseLeft(id: string, record: unknown): LeftTerminal | undefined {
  if (!isPlainObject(record) || record.id !== id || !isPlainObject(record.owner)) return undefined;
  const { createdAtMs, owner } = record;
  if (typeof createdAtMs !== 'number' || typeof owner.key !== 'string') return undefined;
  const role = CALLER_ROLES.find((known) => known === owner.role) ?? 'viewer';
  const ownerId = typeof owner.id === 'string' ? owner.id : undefined;
  return { id, createdAtMs, owner: { key: owner.key, id: ownerId, role } };
}

function codeOf(thrown: unknown): string {
  return (thrown as NodeJS.ErrnoException).code ?? 'unknown error';
}
