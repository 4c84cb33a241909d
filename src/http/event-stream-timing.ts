/** How often a comment shows proxies and clients that an event stream lives, ms. */
export const COMMENT_INTERVAL_MS = 15_000;
/** How long a client may take to fetch the rest of a stream that has ended, ms. */
export const END_TIMEOUT_MS = 2000;
/** The comment. */
export const COMMENT = ': keep-alive\n\n';
/** What a stream begins with: a client connects again 1 s after a loss. */
export const RETRY = 'retry: 1000\n\n';
