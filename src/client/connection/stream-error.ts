/** Codes of errors that arise in the client; every other code comes from the server's JSON error. */
export type ClientErrorCode =
  | 'network'
  | 'protocol'
  | 'ice_failed'
  | 'peer_failed'
  | 'no_codec'
  | 'closed'
  | 'http_error'
  | 'source_failed'
  | 'webrtc_unsupported';

/** What a failed request or connection came to. `code` is stable, `message` is for people. */
export class StreamError extends Error {
  /** A {@link ClientErrorCode} or the server's own code, such as `no_such_session` or `at_capacity`. */
  readonly code: string;
  /** HTTP status of the answer; 0 where there was none. */
  readonly status: number;
  /** How long the server asks to wait before another try, from `Retry-After`. */
  readonly retryAfterMs: number | undefined;

  constructor(
    code: ClientErrorCode | (string & {}),
    message: string,
    options: ErrorOptions & { status?: number; retryAfterMs?: number | undefined } = {},
  ) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.name = 'StreamError';
    this.code = code;
    this.status = options.status ?? 0;
    this.retryAfterMs = options.retryAfterMs;
  }

  /** Whether the same request may succeed later without anything being changed. */
  get retryable(): boolean {
    if (this.code === 'network' || this.code === 'protocol') return true;
    return this.status === 408 || this.status === 429 || (this.status >= 500 && this.status !== 501);
  }
}

/** Whatever was thrown, as a StreamError; what is not one yet came from the network layer. */
export function asStreamError(thrown: unknown): StreamError {
  if (thrown instanceof StreamError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new StreamError('network', `The server could not be reached (${message})`, { cause: thrown });
}

/** Reads the JSON error of an answer that is not OK; a proxy's page without one still gets a code. */
export async function streamErrorFromResponse(response: Response): Promise<StreamError> {
  const options = { status: response.status, retryAfterMs: retryAfterMs(response.headers) };
  try {
    const body: unknown = await response.json();
    if (isErrorBody(body)) return new StreamError(body.error.code, body.error.message, options);
  } catch {
    // No JSON: the status is all there is to tell.
  }
  return new StreamError('http_error', `The server answered with HTTP status ${response.status}`, options);
}

function isErrorBody(body: unknown): body is { error: { code: string; message: string } } {
  if (typeof body !== 'object' || body === null || !('error' in body)) return false;
  const { error } = body;
  return (
    typeof error === 'object' &&
    error !== null &&
    'code' in error &&
    typeof error.code === 'string' &&
    'message' in error &&
    typeof error.message === 'string'
  );
}

/** RFC 9110, section 10.2.3: seconds or an HTTP date. */
function retryAfterMs(headers: Headers): number | undefined {
  const value = headers.get('retry-after');
  if (value === null) return undefined;
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  const dateMs = Date.parse(value);
  return Number.isNaN(dateMs) ? undefined : Math.max(0, dateMs - Date.now());
}

export function notConnected(): StreamError {
  return new StreamError('closed', 'Not connected to the session');
}
