import { randomBytes } from 'node:crypto';

import type { Caller } from '../session/caller.js';
import { secretDigest } from '../session/secret-digest.js';

const TICKET_BYTES = 24;

/**
 * Secrets in the addresses of signaling WebSockets, which a browser opens without headers. Each stands for the caller who created the
 * session, as long as the session lives.
 */
export class StreamKitWebTickets {
  readonly #exists: (streamId: string) => boolean;
  /** One per session that exists, and those of ended ones until the next is created. */
  readonly #callers = new Map<string, { readonly digest: string; readonly caller: Caller }>();

  /** @param exists - whether there is such a session. */
  constructor(exists: (streamId: string) => boolean) {
    this.#exists = exists;
  }

  /** @returns the secret, safe in a URL. */
  issue(streamId: string, caller: Caller): string {
    for (const known of this.#callers.keys()) if (!this.#exists(known)) this.#callers.delete(known);
    const ticket = randomBytes(TICKET_BYTES).toString('base64url');
    this.#callers.set(streamId, { digest: secretDigest(ticket), caller });
    return ticket;
  }

  /** Undefined: it is no ticket of this session. */
  callerOf(streamId: string, ticket: string): Caller | undefined {
    const known = this.#callers.get(streamId);
    return known?.digest === secretDigest(ticket) ? known.caller : undefined;
  }
}
