import { StreamKitError } from '../base/errors.js';
import type { CallerLimits } from '../options/access-options.js';
import type { CallerRole, ViewerRole } from '../protocol/rights.js';

/** Who is calling, as the application put it; undefined where it said nothing. */
export type CallerContext = Readonly<Record<string, unknown>> | undefined;

/** Who makes a request, and what that may lead to. */
export interface Caller {
  /** What is counted for it is counted under this. */
  readonly key: string;
  /**
   * As the application named it: its viewers obey nobody else. Undefined: it is known by its address alone, and that may
   * change while a viewer lives, so the viewer's secret has to do.
   */
  readonly id: string | undefined;
  readonly role: CallerRole;
  /** Nobody was asked about it (`allowAnonymous`): it is known by its address alone, and lower limits hold. */
  readonly anonymous?: true;
  /** A stream token permits exactly this request, whatever the role. */
  readonly scoped?: true;
  /** The application itself, for nobody in particular: what it makes belongs to no caller but operators. */
  readonly application?: true;
  readonly limits: Readonly<CallerLimits>;
  /** For logs and hooks. */
  readonly context: CallerContext;
}

/** Whether what `owner` has made obeys a caller. What a caller without a name has made obeys whoever has its secret. */
export function obeys(owner: Caller, caller: Caller): boolean {
  return owner.id === undefined || owner.id === caller.id;
}

/** What the viewers of a caller may become. */
export function viewerRoleOf({ role }: Pick<Caller, 'role'>): ViewerRole {
  return role === 'viewer' ? 'viewer' : 'controller';
}

/**
 * Whether a session belongs to a caller. Callers that the application does not name cannot be told apart, so that the
 * sessions of one belong to all of them; those of anonymous callers belong to their address.
 */
export function ownsSession(creator: Caller, caller: Caller): boolean {
  if (creator.application === true) return false;
  if (creator.anonymous === true || caller.anonymous === true) {
    return creator.anonymous === caller.anonymous && creator.key === caller.key;
  }
  return creator.id === caller.id;
}

/**
 * Whose profiles a caller may use. Callers that the application does not name cannot be told apart, so that they share theirs; what the
 * application itself makes for nobody is found by nobody else.
 *
 * @throws StreamKitError `forbidden` for an anonymous one, whose address may be another's tomorrow.
 */
export function profileOwnerOf({ id, anonymous, application }: Caller): string {
  if (anonymous === true)
    throw new StreamKitError('forbidden', 'Profiles need a caller who is known, and this one is anonymous');
  if (id !== undefined) return `id ${id}`;
  return application === true ? 'application' : 'unnamed';
}

/** What a log line says of a caller. An address is not in it. */
export function callerBindings({ id, context }: Caller): Record<string, unknown> {
  return {
    ...(id === undefined ? {} : { callerId: id }),
    ...(context === undefined ? {} : { caller: context }),
  };
}

/**
 * The caller that the application itself stands for.
 *
 * @param owner - a `callerId` as `validateRequest` gives them: what is made belongs to it. Undefined: to nobody.
 */
export function applicationCaller(owner: string | undefined): Caller {
  const common = { role: 'owner', limits: {}, context: undefined } as const;
  return owner === undefined
    ? { key: 'application', id: undefined, application: true, ...common }
    : { key: callerKeyOf(owner), id: owner, ...common };
}

/** What a caller that the application names is counted under: no address can be mistaken for it. */
export function callerKeyOf(id: string): string {
  return `id ${id}`;
}
