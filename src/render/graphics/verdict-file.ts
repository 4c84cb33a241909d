import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

import { FLAG_SETS, type FlagSetName } from './flag-sets.js';

/** What came of one way to draw. */
export interface RendererReport {
  readonly flagSet: FlagSetName;
  /** It draws on a GPU, and pictures come at rate. */
  readonly works: boolean;
  /** The browser did not answer: it is not tried again for the same driver. */
  readonly hung: boolean;
  /** Why it is refused; one line. */
  readonly reason?: string;
  readonly renderer?: string;
  readonly webgl2?: boolean;
  readonly webgpu?: boolean;
  readonly framesPerSecond?: number;
}

/** What is known of one browser with one driver. */
export interface Verdict {
  /** ms since the epoch. */
  readonly updatedMs: number;
  readonly reports: readonly RendererReport[];
  /** Trials that ended with the whole server or machine, by flag set: one that does so twice has hung. */
  readonly interrupted: Readonly<Partial<Record<FlagSetName, number>>>;
}

const MAX_BYTES = 256 * 1024;
const MAX_VERDICTS = 16;
const NAMES: ReadonlySet<string> = new Set(FLAG_SETS.map(({ name }) => name));

/** `$XDG_CACHE_HOME/stream-kit-server/graphics.json`, by default below `~/.cache`. */
export function verdictPath(): string {
  const { XDG_CACHE_HOME: cache = '' } = process.env;
  return join(cache === '' ? join(homedir(), '.cache') : cache, 'stream-kit-server', 'graphics.json');
}

/**
 * Keeps what was found of browsers and drivers in a file, so that a server need not try them at each start. Several servers
 * may have the same: the last that writes wins. What cannot be read counts as not there.
 */
export class VerdictFile {
  readonly path: string;

  constructor(path = verdictPath()) {
    this.path = path;
  }

  /** @param key - of the browser and the driver. */
  async read(key: string): Promise<Verdict | undefined> {
    return (await this.#all()).get(key);
  }

  /** The oldest go where there are too many. @throws Error where the file cannot be written. */
  async write(key: string, verdict: Verdict): Promise<void> {
    const all = await this.#all();
    all.set(key, verdict);
    const newest = [...all].sort(([, a], [, b]) => b.updatedMs - a.updatedMs).slice(0, MAX_VERDICTS);
    const text = JSON.stringify({ version: 1, verdicts: Object.fromEntries(newest) });
    await mkdir(dirname(this.path), { recursive: true, mode: 0o700 });
    const temporary = `${this.path}.${randomBytes(6).toString('hex')}`;
    try {
      await writeFile(temporary, text, { mode: 0o600, flag: 'wx' });
      await rename(temporary, this.path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  }

  async #all(): Promise<Map<string, Verdict>> {
    try {
      const text = await readFile(this.path, 'utf8');
      if (text.length > MAX_BYTES) return new Map();
      const parsed = JSON.parse(text) as { version?: unknown; verdicts?: unknown };
      if (parsed.version !== 1 || typeof parsed.verdicts !== 'object') return new Map();
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
        typeof report.hung === 'boolean',
    )
  );
}
