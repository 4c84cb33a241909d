import { asError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type { ObserveSession } from '../session/session-events.js';

/** Tells them all; what one of them throws is logged and harms neither the others nor the session. */
export function observers(list: readonly ObserveSession[], logger: Logger): ObserveSession {
  return (name, event) => {
    for (const observe of list) {
      try {
        observe(name, event);
      } catch (thrown) {
        logger.error({ err: asError(thrown), event: name }, 'an observer threw');
      }
    }
  };
}
