import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

import { cleanUp } from '../../base/clean-up.js';
import { type Logger, silentLogger } from '../../base/logger.js';
import { FLAG_SETS, type FlagSetName } from './flag-sets.js';

/** What came of one way to draw. */
export interface RendererReport {
  readonly flagSet: FlagSetName;
  /** It draws on a GPU, and pictures come at rate. */
  readonly works: boolean;
  /** The browser did not answer. */
  readonly hung: boolean;
  /** How often it has hung since it last worked: twice, and it is not tried again for the same driver. */
  readonly timesHung: number;
  /** When that was found out, ms since the epoch. */
  readonly atMs: number;
  /** Why it is refused; one line. */
  readonly reason?: string;
  /** There was no process to try it in: it is not stored. */
  readonly untried?: true;
  readonly renderer?: string;
  readonly webgl2?: boolean;
  readonly webgpu?: boolean;
  readonly framesPerSecond?: number;
}

/** Trials during which the machine went down: the kernel was another one at the next start. */
export interface Interruptions {
  /** Of the kernel on which the last trial began; null: that trial has ended, or the kernel has no id. */
  readonly bootId: string | null;
  readonly count: number;
  /** When the last trial began, ms since the epoch. */
  readonly atMs: number;
}

/** What is known of one browser with one driver. */
export interface Verdict {
  /** ms since the epoch. */
  readonly updatedMs: number;
  readonly reports: readonly RendererReport[];
  /** By flag set. */
  readonly interrupted: Readonly<Partial<Record<FlagSetName, Interruptions>>>;
}

const MAX_BYTES = 256 * 1024;
const MAX_VERDICTS = 16;
/** Of the format: a file of another one counts as not there. */
const VERSION = 2;
const NAMES: ReadonlySet<string> = new Set(FLAG_SETS.map(({ name }) => name));

/**
 * `$XDG_CACHE_HOME/stream-kit-server/graphics.json`, by default below `~/.cache`.
 *
 * @param home - throws if the user has no home directory, as a user of a container that is a mere number.
 * @returns null where there is no place for it.
 */
export function verdictPath(home: () => string = homedir): string | null {
  const { XDG_CACHE_HOME: cache = '' } = process.env;
  try {
    return join(cache === '' ? join(home(), '.cache') : cache, 'stream-kit-server', 'graphics.json');
  } catch {
    return null;
  }
}

/**
 * Keeps what was found of browsers and drivers in a file, so that a server need not try them at each start. Several servers
 * may have the same: the last that writes wins. What cannot be read counts as not there.
 */
export class VerdictFile {
  /** Null: there is no place for it, and nothing is kept. */
  readonly path: string | null;

  readonly #logger: Logger;

  constructor(path: string | null = verdictPath(), logger = silentLogger) {
    this.path = path;
    this.#logger = logger;
  }

  /** @param key - of the browser and the driver. */
  async read(key: string): Promise<Verdict | undefined> {
    return (await this.#all()).get(key);
  }

  /** The oldest go where there are too many. @throws Error where the file cannot be written. */
  async write(key: string, verdict: Verdict): Promise<void> {
    const { path } = this;
    if (path === null) throw new Error('The user has no home directory, and XDG_CACHE_HOME is not set');
    const all = await this.#all();
    all.set(key, verdict);
    const newest = [...all].sort(([, a], [, b]) => b.updatedMs - a.updatedMs).slice(0, MAX_VERDICTS);
    const text = JSON.stringify({ version: VERSION, verdicts: Object.fromEntries(newest) });
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const temporary = `${path}.${randomBytes(6).toString('hex')}`;
    try {
      await writeFile(temporary, text, { mode: 0o600, flag: 'wx' });
      await rename(temporary, path);
    } catch (error) {
      await cleanUp(rm(temporary, { force: true }), 'a temporary file', this.#logger);
      throw error;
    }
  }

  async #all(): Promise<Map<string, Verdict>> {
    if (this.path === null) return new Map();
    try {
      const text = await readFile(this.path, 'utf8');
      if (text.length > MAX_BYTES) return new Map();
      const parsed = JSON.parse(text) as { version?: unknown; verdicts?: unknown };
      if (parsed.version !== VERSION || typeof parsed.verdicts !== 'object') return new Map();
      return new Map(
        Object.entries(parsed.verdicts ?? {}).filter((entry): entry is [string, Verdict] =>
          isVerdict(entry[1]),
        ),
      );
    } catch {
      return new Map();
    }
  }
}

function isVerdict(value: unknown): value is Verdict {
  if (typeof value !== 'object' || value === null) return false;
  const { updatedMs, reports, interrupted } = value as Partial<Record<keyof Verdict, unknown>>;
  return (
    typeof updatedMs === 'number' &&
    typeof interrupted === 'object' &&
    interrupted !== null &&
    Array.isArray(reports) &&
    reports.every(
      (report: Partial<RendererReport> | null) =>
        typeof report === 'object' &&
        NAMES.has(report?.flagSet ?? '') &&
        typeof report?.works === 'boolean' &&
        typeof report.hung === 'boolean' &&
        typeof report.timesHung === 'number' &&
        typeof report.atMs === 'number',
    ) &&
    Object.values(interrupted).every(
      (one: Partial<Interruptions> | null) =>
        typeof one === 'object' &&
        typeof one?.count === 'number' &&
        typeof one.atMs === 'number' &&
        (one.bootId === null || typeof one.bootId === 'string'),
    )
  );
}
