import { asError, StreamKitError } from '../base/errors.js';
import { expectation, isPlainObject, refuseUnknownKeys } from '../options/option-checks.js';
import { type TargetPolicy } from '../options/target-policy-options.js';
import { permitsUrl } from '../egress/target-policy.js';
import { sessionBudgetOption } from '../options/session-budget-option.js';
import type { PlacementRequest } from '../protocol/session-requests.js';
import type { SessionBudget } from '../protocol/session-usage.js';
import { isProfileId } from '../profiles/profile-store.js';
import { jsonBytes } from './json-bytes.js';
import { parsePlacement } from './placement.js';
import type { RenderOptions, RenderOptionDefaults } from './render-options.js';
import { knownRenderOptions, parseRenderOptions } from './render-options.js';

/** One session as a client asked for it, checked. */
export interface SessionRequest {
  readonly targetUrl: string;
  /** JSON; null where none was given. */
  readonly initialData: unknown;
  readonly renderOptions: RenderOptions;
  /** `renderOptions` as they were given, without keys that are ignored. */
  readonly asked: Readonly<Record<string, unknown>>;
  readonly budget: SessionBudget;
  readonly placement: PlacementRequest;
  /** Undefined: none. */
  readonly profile: { readonly id: string; readonly save: boolean } | undefined;
}

const MAX_TARGET_URL_BYTES = 8 * 1024;
const MAX_INITIAL_DATA_BYTES = 256 * 1024;

/**
 * Checks the body of `POST /`.
 *
 * @throws StreamKitError `bad_request`, `bad_target_url`, `too_large` or `forbidden`.
 */
export function parseSessionRequest(
  body: unknown,
  defaults: RenderOptionDefaults,
  targetPolicy: TargetPolicy,
): SessionRequest {
  if (!isPlainObject(body)) throw new StreamKitError('bad_request', expectation('JSON object', 'body', body));
  return {
    targetUrl: parseTargetUrl(body.targetUrl, targetPolicy),
    renderOptions: parseRenderOptions(body.renderOptions, defaults),
    asked: knownRenderOptions(body.renderOptions),
    initialData: parseInitialData(body.initialData),
    budget: parseBudget(body.budget),
    placement: parsePlacement(body),
    profile: parseProfile(body.profile),
  };
}

function parseBudget(value: unknown): SessionBudget {
  if (value === undefined) return {};
  try {
    return sessionBudgetOption(value, 'budget');
  } catch (thrown) {
    throw new StreamKitError('bad_request', asError(thrown).message);
  }
}

/** A misspelt `save` must not lose what somebody wants to keep. */
function parseProfile(value: unknown): SessionRequest['profile'] {
  if (value === undefined) return undefined;
  if (!isPlainObject(value)) throw new StreamKitError('bad_request', expectation('object', 'profile', value));
  refuseUnknownKeys(value, ['id', 'save'], { expected: 'id and save in profile' });
  const { id, save = false } = value;
  if (!isProfileId(id)) {
    const expected = 'string of 1 to 64 letters, digits, - and _';
    throw new StreamKitError('bad_request', expectation(expected, 'profile.id', id));
  }
  if (typeof save !== 'boolean')
    throw new StreamKitError('bad_request', expectation('boolean', 'profile.save', save));
  return { id, save };
}

function parseTargetUrl(value: unknown, policy: TargetPolicy): string {
  if (typeof value !== 'string' || !URL.canParse(value)) {
    throw new StreamKitError('bad_target_url', expectation('absolute URL', 'targetUrl', value));
  }
  if (Buffer.byteLength(value) > MAX_TARGET_URL_BYTES) {
    throw new StreamKitError('bad_target_url', `The targetUrl is longer than ${MAX_TARGET_URL_BYTES} bytes`);
  }
  const url = new URL(value);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new StreamKitError('bad_target_url', expectation('http or https', 'targetUrl', url.protocol));
  }
  // They would show in the state document, which every viewer reads.
  if (url.username !== '' || url.password !== '') {
    throw new StreamKitError('bad_target_url', 'The targetUrl must not contain a user name or a password');
  }
  if (!permitsUrl(policy, url)) {
    throw new StreamKitError('bad_target_url', 'The targetUrl is not one that may be rendered here');
  }
  // Normalised: without the white space around it, and with slashes for back-slashes.
  return url.href;
}

function parseInitialData(value: unknown): unknown {
  if (value === undefined) return null;
  if (jsonBytes(value, 'initialData') > MAX_INITIAL_DATA_BYTES) {
    throw new StreamKitError('too_large', `The initialData is larger than ${MAX_INITIAL_DATA_BYTES} bytes`);
  }
  return value;
}
