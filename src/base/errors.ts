/**
 * Every error code that a client or a caller can see, with its HTTP status. Codes are stable: clients switch on
 * them, so one is never renamed.
 */
export const ERROR_STATUS = {
  bad_option: 500,
  bad_request: 400,
  bad_target_url: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  no_such_session: 404,
  no_such_viewer: 404,
  no_such_recording: 404,
  method_not_allowed: 405,
  conflict: 409,
  precondition_failed: 412,
  too_large: 413,
  unsupported_media_type: 415,
  unprocessable: 422,
  upgrade_required: 426,
  precondition_required: 428,
  at_capacity: 429,
  unavailable: 503,
  internal: 500,
  browser_not_found: 500,
  browser_crashed: 500,
  browser_hung: 500,
  gpu_hung: 500,
  capture_stalled: 500,
  sound_lost: 500,
  out_of_memory: 500,
  page_misbehaved: 500,
  capture_failed: 500,
  encoder_failed: 500,
  recording_failed: 500,
  terminal_failed: 500,
  disk_full: 507,
  limit_reached: 507,
} as const;
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
