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
 * process.
 *
 * @param hostEnv - default: the environment of this process. It is not used if the user's options have an `env`.
 */
export function browserEnvironment(
  { env, addedEnv }: BrowserLaunchOptions,
  hostEnv: NodeJS.ProcessEnv = process.env,
): Record<string, string | undefined> {
  return env === undefined ? { ...hostEnv, ...addedEnv } : { ...addedEnv, ...env };
}
