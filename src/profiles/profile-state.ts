import { StreamKitError } from '../base/errors.js';
import { isPlainObject } from '../options/option-checks.js';

/** A cookie as the DevTools protocol has it. */
export interface StoredCookie {
  readonly name: string;
  readonly value: string;
  /** Begins with a dot where it is also for subdomains. */
  readonly domain: string;
  readonly path: string;
  /** Seconds since the epoch; -1 for one that ends with the browser. */
  readonly expires: number;
  readonly session: boolean;
  readonly httpOnly: boolean;
  readonly secure: boolean;
  readonly sameSite?: 'Strict' | 'Lax' | 'None';
  readonly priority: 'Low' | 'Medium' | 'High';
  readonly sourceScheme: 'Unset' | 'NonSecure' | 'Secure';
  readonly sourcePort: number;
  /** Of one that a third party has set within another site. */
  readonly partitionKey?: { readonly topLevelSite: string; readonly hasCrossSiteAncestor: boolean };
}

/** The local storage of one origin. */
export interface StoredOrigin {
  readonly origin: string;
  readonly localStorage: readonly { readonly name: string; readonly value: string }[];
}

/** What of a profile is no file of the browser's. */
export interface ProfileState {
  readonly cookies: readonly StoredCookie[];
  /** Chromium's content settings, by their name. */
  readonly permissions: Readonly<Record<string, unknown>>;
  /** Of pages that were visited. The browser's own files have it as well, unless it was imported. */
  readonly origins: readonly StoredOrigin[];
  readonly imported: boolean;
}

export const EMPTY_STATE: ProfileState = { cookies: [], permissions: {}, origins: [], imported: false };

/** The name of its entry in an archive, where it is the first one. */
export const STATE_ENTRY = 'state.json';
/** The host reads it for an export: that is to take little of its time. */
export const MAX_STATE_BYTES = 8 * 1024 * 1024;

/** @throws StreamKitError `profile_failed`. */
export function parseProfileState(bytes: Buffer): ProfileState {
  let state: unknown;
  try {
    state = JSON.parse(bytes.toString('utf8'));
  } catch {
    // Told below.
  }
  const isState =
    isPlainObject(state) &&
    Array.isArray(state.cookies) &&
    Array.isArray(state.origins) &&
    isPlainObject(state.permissions);
  if (!isState) throw new StreamKitError('profile_failed', 'The profile cannot be read: it is damaged');
  return state as ProfileState;
}
