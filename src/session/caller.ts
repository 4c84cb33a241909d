import type { CallerLimits, ViewerRole } from '../options/access-options.js';

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
  /** What its viewers may become. */
  readonly role: ViewerRole;
  readonly limits: Readonly<CallerLimits>;
  /** For logs and hooks. */
  readonly context: CallerContext;
}

/** Whether what `owner` has made obeys a caller. What a caller without a name has made obeys whoever has its secret. */
export function obeys(owner: Caller, caller: Caller): boolean {
  return owner.id === undefined || owner.id === caller.id;
}

/** What a log line says of a caller. An address is not in it. */
export function callerBindings({ id, context }: Caller): Record<string, unknown> {
  return {
    ...(id === undefined ? {} : { callerId: id }),
    ...(context === undefined ? {} : { caller: context }),
  };
}
