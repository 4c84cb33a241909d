import { integerBetween } from './option-checks.js';
import { option, type OptionsOf, orSwitch, type ResolvedOptionsOf, tableCheck } from './option-definition.js';
import {
  DEFAULT_TARGET_POLICY,
  type TargetPolicy,
  type TargetPolicyOptions,
  targetPolicyOptions,
} from './target-policy-options.js';

const PUBLICATIONS = {
  /**
   * Which endpoints may be published to, redirects and ICE servers of theirs included; as of `targetPolicy`, and apart from it.
   * Default: those of the public internet, by http and https.
   */
  targets: option<TargetPolicyOptions, TargetPolicy>(targetPolicyOptions, DEFAULT_TARGET_POLICY),
  /** Most publications of one session at a time, 1–16. Those that have failed give way. Default 4. */
  maxPerSession: option<number>(integerBetween(1, 16), 4),
  /**
   * How often one is tried before it has failed, 1–1000. The count begins anew once it was live for 10 s; the waits in between
   * double from 1 s to 30 s. Default 10.
   */
  maxAttempts: option<number>(integerBetween(1, 1000), 10),
};

/** How sessions are published to media servers. */
export interface PublicationOptions extends OptionsOf<typeof PUBLICATIONS> {}

export type ResolvedPublicationOptions = ResolvedOptionsOf<typeof PUBLICATIONS>;

/** `false`: undefined. @throws StreamKitError `bad_option`. */
export const publicationOptions = orSwitch(tableCheck(PUBLICATIONS));
