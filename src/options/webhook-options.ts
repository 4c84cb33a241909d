import { createSecretKey, type KeyObject } from 'node:crypto';

import { StreamKitError } from '../base/errors.js';
import { anObject, badOption, listOf, oneOf, refuseUnknownNames } from './option-checks.js';

/** Events that webhooks report, by `type`. */
export const WEBHOOK_EVENTS = [
  'session.created',
  'session.streaming',
  'recording.finished',
  'session.ended',
] as const;
export type WebhookEvent = (typeof WEBHOOK_EVENTS)[number];

/** Where events of sessions are posted to. */
export interface WebhookOptions {
  /** http or https, without credentials. */
  url: string;
  /**
   * At least 24 bytes, random; each request is signed with it by HMAC-SHA256, as Standard Webhooks has it. A text that begins with
   * `whsec_` is base64 after that.
   */
  secret: string | Uint8Array;
  /** Which events are sent. Default: all. */
  events?: readonly WebhookEvent[];
}

export interface ResolvedWebhookOptions {
  readonly url: string;
  readonly key: KeyObject;
  readonly events: readonly WebhookEvent[];
}

const LEAST_SECRET_BYTES = 24;
const PREFIX = 'whsec_';

/** @throws StreamKitError `bad_option`. */
export function webhookOptions(value: unknown, name: string): ResolvedWebhookOptions {
  const given = anObject(value, name);
  refuseUnknownNames(given, ['url', 'secret', 'events'], name);
  const { url, secret, events } = given;
  if (typeof url !== 'string' || !URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw badOption('http or https URL', `${name}.url`, url);
  }
  const { username, password } = new URL(url);
  // Not shown, and `fetch` takes none.
  if (username !== '' || password !== '') {
    throw new StreamKitError('bad_option', `Expected a URL without credentials for ${name}.url`);
  }
  return Object.freeze({
    url,
    key: secretKey(secret, `${name}.secret`),
    events:
      events === undefined ? WEBHOOK_EVENTS : listOf(oneOf(...WEBHOOK_EVENTS))(events, `${name}.events`),
  });
}

function secretKey(value: unknown, name: string): KeyObject {
  const isText = typeof value === 'string';
  const bytes = !isText
    ? value
    : value.startsWith(PREFIX)
      ? Buffer.from(value.slice(PREFIX.length), 'base64')
      : Buffer.from(value);
  if (!(bytes instanceof Uint8Array) || bytes.byteLength < LEAST_SECRET_BYTES) {
    // Not shown: it may be the secret itself.
    throw new StreamKitError('bad_option', `Expected at least ${LEAST_SECRET_BYTES} bytes for ${name}`);
  }
  return createSecretKey(bytes);
}
