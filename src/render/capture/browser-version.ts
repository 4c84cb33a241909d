import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';

/** How long a browser may take to name its version, ms: a slow disk has to read it first. */
const TIMEOUT_MS = 5_000;
/** Puppeteer's downloads lie in a folder such as `chrome/linux-140.0.7339.82`. */
const PUPPETEER_FOLDER = /\/chrome\/\w+-(\d+)\.\d+\.\d+\.\d+\//;
const PLATFORM = process.platform === 'darwin' ? 'Macintosh; Intel Mac OS X 10_15_7' : 'X11; Linux x86_64';

/** The version of a browser on disk. */
export interface BrowserVersion {
  readonly executablePath: string;
  /** When the file was written, ms since the epoch. */
  readonly modifiedMs: number;
  readonly major: number;
}

/**
 * Finds out the version of a browser before it is launched. To ask a browser costs about as much as to start a shell, so a caller
 * that launches many passes what it got the last time.
 *
 * @param known - the last answer; used if it is of the same file.
 * @returns undefined if the browser does not say.
 */
export async function browserVersion(
  executablePath: string,
  known: BrowserVersion | undefined,
  signal: AbortSignal,
): Promise<BrowserVersion | undefined> {
  const file = await stat(executablePath).catch(() => undefined);
  if (file === undefined) return undefined;
  const { mtimeMs: modifiedMs } = file;
  if (known?.executablePath === executablePath && known.modifiedMs === modifiedMs) return known;
  const [, major] =
    PUPPETEER_FOLDER.exec(executablePath) ??
    /\b(\d+)\.\d+\.\d+\.\d+\b/.exec(await printedVersion(executablePath, signal)) ??
    [];
  return major === undefined ? undefined : { executablePath, modifiedMs, major: Number(major) };
}

/** The user agent that Chromium of this version has when it runs with a window: only the major version is in it. */
export function windowedUserAgent({ major }: BrowserVersion): string {
  return `Mozilla/5.0 (${PLATFORM}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/${major}.0.0.0 Safari/537.36`;
}

/** What a browser prints of its version; empty if it cannot be run. Never rejects. */
export function printedVersion(executablePath: string, signal?: AbortSignal): Promise<string> {
  return new Promise<string>((resolve) => {
    const options = {
      timeout: TIMEOUT_MS,
      maxBuffer: 64 * 1024,
      ...(signal === undefined ? {} : { signal }),
    };
    execFile(executablePath, ['--version'], options, (_error, stdout) => resolve(stdout));
    // Node throws for some errors of a start (ENOMEM).
  }).catch(() => '');
}
