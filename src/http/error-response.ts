import { StreamKitError } from '../base/errors.js';
import type { HttpResponse } from './http-message.js';
import { jsonResponse } from './http-message.js';

/** The answer for whatever was thrown. Only coded errors carry a message that was written for a client. */
export function errorResponse(thrown: unknown): HttpResponse {
  const error =
    thrown instanceof StreamKitError ? thrown : new StreamKitError('internal', 'The server failed');
  return jsonResponse(
    error.status,
    { error: { code: error.code, message: error.message } },
    { 'X-Content-Type-Options': 'nosniff', ...error.headers },
  );
}
