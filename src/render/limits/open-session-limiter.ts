import type { Clock } from '../../base/clock.js';
import { asError } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import { findOwnCgroup } from '../../base/own-cgroup.js';
import type { ResolvedSessionLimits } from '../../options/session-limit-options.js';
import { CgroupDelegation } from './cgroup-delegation.js';
import { ProcessLimiter } from './process-limiter.js';

import type { LimitedSession, SessionLimiter } from './session-limiter.js';

const UNLIMITED: LimitedSession = { outOfMemory: false, close: () => Promise.resolve() };

/** Without limits nothing is touched. */
export const noLimits: SessionLimiter = { limit: () => UNLIMITED, close: () => undefined };

/** Uses a cgroup for each session where this process may make them, otherwise what can be done from outside. */
export function openSessionLimiter(
  limits: ResolvedSessionLimits | undefined,
  clock: Clock,
  logger: Logger,
): SessionLimiter {
  const { memoryBytes, cpuWeight, pids } = limits ?? {};
  if (limits === undefined || (memoryBytes ?? cpuWeight ?? pids) === undefined) return noLimits;
  const delegation = CgroupDelegation.find(findOwnCgroup());
  if (delegation instanceof CgroupDelegation) {
    try {
      const limiter = delegation.open(limits, logger);
      logger.info({ cgroup: delegation.directory }, 'sessions are limited by cgroups');
      return limiter;
    } catch (thrown) {
      logger.warn({ err: asError(thrown) }, 'sessions are not limited by cgroups');
    }
  } else {
    logger.info({ reason: delegation.reason }, 'sessions are not limited by cgroups');
  }
  if (pids !== undefined) logger.warn({}, 'sessionLimits.pids has no effect without a delegated cgroup');
  return new ProcessLimiter(limits, clock, logger);
}

/** How sessions would be limited here, in words. */
export function describeSessionLimits(own = findOwnCgroup()): string {
  const delegation = CgroupDelegation.find(own);
  return delegation instanceof CgroupDelegation
    ? `cgroups in ${delegation.directory} (memory, CPU weight, pids)`
    : `memory is watched, CPU by niceness, no limit of pids: ${delegation.reason}`;
}
