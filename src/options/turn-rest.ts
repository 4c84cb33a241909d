import { createHmac, createSecretKey, type KeyObject, randomBytes } from 'node:crypto';

import { StreamKitError } from '../base/errors.js';
import { badOption, integerBetween } from './option-checks.js';

/** What {@link turnRestCredentials} makes credentials of. */
export interface TurnRestParameters {
  /** Shared with the TURN server: `static-auth-secret` of coturn. */
  secret: string | Uint8Array;
  /** Whom the TURN server counts the use for, 1–256 characters; it shows in its log. Default: random. */
  user?: string;
  /** How long they may be used to begin with, seconds, 60–2592000. Default 86400. */
  lifetimeSeconds?: number;
}

/** Part of an `RTCIceServer`. */
export interface TurnCredentials {
  username: string;
  credential: string;
}

const DEFAULT_LIFETIME_SECONDS = 86_400;
const RANDOM_USER_BYTES = 9;

/** A user of the TURN server that nothing else is known by. */
export function randomTurnUser(): string {
  return randomBytes(RANDOM_USER_BYTES).toString('base64url');
}

/**
 * Credentials for a TURN server that expire (draft-uberti-behave-turn-rest section 2.2): the name is the Unix time of
 * their end, a colon and the user; the password is its HMAC-SHA1 under the secret, in base64. The secret is not in them.
 *
 * @throws StreamKitError `bad_option`.
 */
export function turnRestCredentials(parameters: TurnRestParameters): TurnCredentials {
  const { user = randomTurnUser() } = parameters;
  if (typeof user !== 'string' || !/^[^\p{C}]{1,256}$/u.test(user)) {
    throw badOption('string of 1 to 256 characters', 'user', user);
  }
  const key = turnRestSecret(parameters.secret, 'secret');
  const lifetimeSeconds = turnRestLifetime(parameters.lifetimeSeconds, 'lifetimeSeconds');
  return credentialsUnder(key, user, Math.floor(Date.now() / 1000) + lifetimeSeconds);
}

/**
 * As {@link turnRestCredentials}, of what has been checked.
 *
 * @param endSeconds - of the Unix epoch.
 */
export function credentialsUnder(key: KeyObject, user: string, endSeconds: number): TurnCredentials {
  const username = `${endSeconds}:${user}`;
  return { username, credential: createHmac('sha1', key).update(username).digest('base64') };
}

/** The bytes are copied into a key, which does not show them when it is printed; a bad value is not shown either. */
export function turnRestSecret(value: unknown, name: string): KeyObject {
  if ((typeof value === 'string' || value instanceof Uint8Array) && value.length > 0) {
    return createSecretKey(Buffer.from(value as Uint8Array));
  }
  throw new StreamKitError(
    'bad_option',
    `Expected string or Uint8Array that is not empty for ${name} but received type ${typeof value}`,
  );
}

export function turnRestLifetime(value: unknown, name: string): number {
  return value === undefined ? DEFAULT_LIFETIME_SECONDS : integerBetween(60, 2_592_000)(value, name);
}
