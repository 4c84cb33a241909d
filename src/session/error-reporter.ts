import { asError } from '../base/errors.js';
import type { ResolvedOptions } from '../options/stream-kit-options.js';
import type { CallerContext } from './caller.js';

/** Tells the application of an error. Never throws. */
export type ReportError = (error: Error, streamId: string | undefined, context: CallerContext) => void;

/** The application's `onError`; what goes wrong in it must not take the server with it. */
export function errorReporter(options: Pick<ResolvedOptions, 'logger' | 'onError'>): ReportError {
  const onThrown = (thrown: unknown): void => {
    options.logger.error({ err: asError(thrown) }, 'onError threw');
  };
  return (error, streamId, context) => {
    try {
      // It may be an async function, whatever its type says.
      const done: unknown =
        context === undefined
          ? options.onError?.(error, streamId)
          : options.onError?.(error, streamId, context);
      Promise.resolve(done).catch(onThrown);
    } catch (thrown) {
      onThrown(thrown);
    }
  };
}
