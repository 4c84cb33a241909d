import { StreamKitError } from '../base/errors.js';
import { badOption, integerBetween, type OptionCheck } from './option-checks.js';
import { option, type OptionsOf, required, type ResolvedOptionsOf, tableCheck } from './option-definition.js';

const MOST_PRELOADS = 10;
const LONGEST_URL = 2_048;
/** What the pages of `preload` may load together over the network, bytes after decompression. */
export const MAX_PRELOAD_BYTES = 64 * 1024 * 1024;

const POOL = {
  /** Most browsers that wait for a session, 1–100; each holds about 180 MiB. */
  size: required<number>(integerBetween(1, 100)),
  /** One that has waited longer is replaced, ms, 10000–86400000. Default 600000. */
  maxAgeMs: option<number>(integerBetween(10_000, 86_400_000), 600_000),
  /**
   * Pages whose resources each of them has in its HTTP cache and its cache of compiled scripts: at most 10 http or https URLs of up to
   * 2048 characters. A browser of its own loads them, as anybody would; nothing else of them is left. Default none.
   */
  preload: option<readonly string[]>(preloads, []),
};

/** Browsers that are launched before they are asked for. Each serves one session, and nothing of a session is in it before. */
export interface PoolOptions extends OptionsOf<typeof POOL> {}

export type ResolvedPoolOptions = ResolvedOptionsOf<typeof POOL>;

/** @throws StreamKitError `bad_option`. */
export const poolOptions: OptionCheck<ResolvedPoolOptions> = tableCheck(POOL);

function preloads(value: unknown, name: string): readonly string[] {
  if (!Array.isArray(value) || value.length > MOST_PRELOADS)
    throw badOption(`array of at most ${MOST_PRELOADS} URLs`, name, value);
  return Object.freeze(value.map((entry: unknown, index) => pageUrl(entry, `${name}[${index}]`)));
}

function pageUrl(value: unknown, name: string): string {
  if (typeof value !== 'string' || value.length > LONGEST_URL || !URL.canParse(value))
    throw badOption('http or https URL', name, value);
  const { protocol, username, password, href } = new URL(value);
  if (!/^https?:$/.test(protocol)) throw badOption('http or https URL', name, value);
  // Not shown.
  if (username !== '' || password !== '')
    throw new StreamKitError('bad_option', `Expected a URL without credentials for ${name}`);
  return href;
}
