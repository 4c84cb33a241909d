import type { LaunchOptions } from 'puppeteer';

/** The user's options, with what the server adds to them. */
export interface BrowserLaunchOptions extends LaunchOptions {
  /**
   * Variables that are added to the environment in the process that launches the browser. Only these travel between processes:
   * the environment of the host may hold secrets.
   */
  readonly addedEnv?: Readonly<Record<string, string>>;
}

/**
 * The environment of a browser. The `env` of the user's options wins over what is added, and that over the environment of this
 * process. Names of files are UTF-8 in it, as Node.js writes them, whatever locale the process has: in that of a container,
 * which has none, Chromium would not find files whose names are not ASCII.
 *
 * @param hostEnv - default: the environment of this process. It is not used if the user's options have an `env`.
 */
export function browserEnvironment(
  { env, addedEnv }: BrowserLaunchOptions,
  hostEnv: NodeJS.ProcessEnv = process.env,
): Record<string, string | undefined> {
  return withUtf8Names(env === undefined ? { ...hostEnv, ...addedEnv } : { ...addedEnv, ...env });
}

/** Of these the first that is not empty counts (POSIX, section 8.2). */
function withUtf8Names(env: Record<string, string | undefined>): Record<string, string | undefined> {
  const locale = [env.LC_ALL, env.LC_CTYPE, env.LANG].find((value) => value) ?? '';
  return /utf-?8/i.test(locale) ? env : { ...env, LC_ALL: undefined, LC_CTYPE: 'C.UTF-8' };
}
