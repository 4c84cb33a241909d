import { asError, StreamKitError } from '../errors.js';
import { isPlainObject } from '../option-checks.js';
import type { ResolvedOptions } from '../options.js';
import type { HttpRequest } from './http-message.js';

/** Who is calling, as `validateRequest` put it; undefined where it said nothing. */
export type CallerContext = Readonly<Record<string, unknown>> | undefined;

/**
 * Asks the application whether a request may pass. Everything but a clear yes refuses it.
 *
 * @throws StreamKitError `unauthorized` or `forbidden` for a no, `internal` for a throw or a malformed result.
 */
export async function authorize<TEnv>(
  request: Pick<HttpRequest, 'native'>,
  options: Pick<ResolvedOptions<TEnv>, 'getEnv' | 'validateRequest'>,
): Promise<CallerContext> {
  if (options.validateRequest === undefined) return undefined;
  let result: unknown;
  try {
    // Without getEnv, TEnv is whatever the application says nothing of.
    const env = (await options.getEnv?.()) as TEnv;
    result = await options.validateRequest(request.native, env);
  } catch (thrown) {
    throw new StreamKitError('internal', 'The request could not be validated', { cause: asError(thrown) });
  }
  if (!isPlainObject(result) || typeof result.authorized !== 'boolean') throw malformed();
  const { authorized, error, status, callerContext } = result;
  if (authorized) return isPlainObject(callerContext) ? callerContext : undefined;
  if (status !== undefined && !isErrorStatus(status)) throw malformed();
  throw refusal(status ?? 401, typeof error === 'string' ? error : 'The request is not authorized');
}

function refusal(status: number, message: string): StreamKitError {
  if (status !== 401) return new StreamKitError('forbidden', message, { status });
  // RFC 9110 section 15.5.2: a 401 names a scheme.
  return new StreamKitError('unauthorized', message, { headers: { 'WWW-Authenticate': 'Bearer' } });
}

function malformed(): StreamKitError {
  const cause = new Error('validateRequest must return { authorized: boolean, error?, status? 400-599 }');
  return new StreamKitError('internal', 'The request could not be validated', { cause });
}

function isErrorStatus(status: unknown): status is number {
  return typeof status === 'number' && Number.isInteger(status) && status >= 400 && status <= 599;
}
