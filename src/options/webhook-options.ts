import { createSecretKey, type KeyObject } from 'node:crypto';

import { StreamKitError } from '../base/errors.js';
import { badOption, listOf, oneOf } from './option-checks.js';
import { option, type OptionsOf, required, type ResolvedOptionsOf, tableCheck } from './option-definition.js';

const LEAST_SECRET_BYTES = 24;
const PREFIX = 'whsec_';

/** Events that webhooks report, by `type`. */
export const WEBHOOK_EVENTS = [
  'session.created',
  'session.streaming',
  'recording.finished',
  'session.ended',
] as const;
export type WebhookEvent = (typeof WEBHOOK_EVENTS)[number];

const WEBHOOKS = {
  /** http or https, without credentials. */
  url: required<string>(receiverUrl),
  /**
   * At least 24 bytes, random; each request is signed with it by HMAC-SHA256, as Standard Webhooks has it. A text that begins with
   * `whsec_` is base64 after that.
   */
  secret: required<string | Uint8Array, KeyObject>(secretKey),
  /** Which events are sent. Default: all. */
  events: option<readonly WebhookEvent[]>(listOf(oneOf(...WEBHOOK_EVENTS)), WEBHOOK_EVENTS),
};

/** Where events of sessions are posted to. */
export interface WebhookOptions extends OptionsOf<typeof WEBHOOKS> {}

export type ResolvedWebhookOptions = ResolvedOptionsOf<typeof WEBHOOKS>;

/** @throws StreamKitError `bad_option`. */
export const webhookOptions = tableCheck(WEBHOOKS);

function receiverUrl(value: unknown, name: string): string {
  if (typeof value !== 'string' || !URL.canParse(value) || !/^https?:$/.test(new URL(value).protocol)) {
    throw badOption('http or https URL', name, value);
  }
  const { username, password } = new URL(value);
  // Not shown, and `fetch` takes none.
  if (username !== '' || password !== '') {
    throw new StreamKitError('bad_option', `Expected a URL without credentials for ${name}`);
  }
  return value;
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
