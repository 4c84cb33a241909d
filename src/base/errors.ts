import { ERROR_STATUS, type ErrorCode } from '../protocol/error-codes.js';

export { ERROR_STATUS, type ErrorCode } from '../protocol/error-codes.js';

export interface StreamKitErrorOptions extends ErrorOptions {
  /** HTTP status, where it differs from the code's own. */
  status?: number;
  /** Response headers that belong to the error: `Allow`, `Retry-After`. */
  headers?: Readonly<Record<string, string>>;
}

/** An error with a stable code. Its message is written for the client: no path, stack or secret in it. */
export class StreamKitError extends Error {
  readonly code: ErrorCode;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: ErrorCode, message: string, options: StreamKitErrorOptions = {}) {
    super(message, options);
    this.name = 'StreamKitError';
    this.code = code;
    this.status = options.status ?? ERROR_STATUS[code];
    this.headers = options.headers ?? {};
  }
}

/** Whatever was thrown, as an Error. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
