/**
 * What a caller is. Each role includes the ones before it:
 *
 * - `viewer` watches and reads the state. It is never given control.
 * - `controller` may also be given control.
 * - `owner` may also create sessions, and end, change and record those that it has created.
 * - `operator` may do so with every session, lists all of them and reads the metrics.
 */
export const CALLER_ROLES = ['viewer', 'controller', 'owner', 'operator'] as const;
export type CallerRole = (typeof CALLER_ROLES)[number];

/** Public id of the application and its DevTools clients, which share the control of a session with its viewers. */
export const AUTOMATION_ID = 'automation';

/** What a client of one session is at the moment: a `controller` may send input. */
export type ViewerRole = 'viewer' | 'controller';

/**
 * What a route asks of its caller.
 *
 * - `none`: nothing, and `validateRequest` is not asked.
 * - `watch`: any role.
 * - `create`: `owner` or more.
 * - `own`: `owner` of the session in the path, or `operator`.
 * - `operate`: `operator`.
 */
export type Right = 'none' | 'watch' | 'create' | 'own' | 'operate';

/**
 * Whether a role has a right.
 *
 * @param ownsSession - whether the caller has created the session in the path.
 */
export function hasRight(role: CallerRole, right: Right, ownsSession: boolean): boolean {
  switch (right) {
    case 'none':
    case 'watch':
      return true;
    case 'create':
      return role === 'owner' || role === 'operator';
    case 'own':
      return role === 'operator' || (role === 'owner' && ownsSession);
    case 'operate':
      return role === 'operator';
  }
}
