import type { PublicationError } from '../protocol/publications.js';

/** Why an attempt to publish came to nothing. The message is written for the client. */
export class PublicationFailure extends Error {
  readonly code: PublicationError['code'];
  /** Another attempt would fail as well. */
  readonly isFinal: boolean;
  /** How long the endpoint asked to wait, ms. */
  readonly retryAfterMs: number;

  constructor(
    message: string,
    { code = 'publication_failed', isFinal = false, retryAfterMs = 0, cause }: PublicationFailureOptions = {},
  ) {
    super(message, { cause });
    this.code = code;
    this.isFinal = isFinal;
    this.retryAfterMs = retryAfterMs;
  }
}

export interface PublicationFailureOptions extends ErrorOptions {
  readonly code?: PublicationError['code'];
  readonly isFinal?: boolean;
  readonly retryAfterMs?: number;
}
