import type { RouteName } from '../protocol/routes.js';
import type { Caller } from '../session/caller.js';
import type { HttpRequest, HttpResponse } from './http-message.js';

/** What a route gets to know of a request. */
export interface RouteCall {
  readonly request: HttpRequest;
  /** Empty for the route that has none. */
  readonly streamId: string;
  /** What the route's other segments with a colon stand for, by name. Hostile, like all of the path. */
  readonly segments: Readonly<Record<string, string>>;
  readonly caller: Caller;
}

/** Answers a request whose caller has the right that the route needs. */
export type RouteHandler = (call: RouteCall) => Promise<HttpResponse> | HttpResponse;

/** The handlers of these routes, by name. */
export type HandlersOf<Name extends RouteName> = Readonly<Record<Name, RouteHandler>>;

/** By the name of the route, all of them. Undefined: the route is not served, since its option is not set. */
export type RouteHandlers = Readonly<Record<RouteName, RouteHandler | undefined>>;

/** The routes that have a handler. */
export function servedRoutes(handlers: RouteHandlers): RouteName[] {
  return (Object.keys(handlers) as RouteName[]).filter((name) => handlers[name] !== undefined);
}

/** @param handlers - undefined: their option is not set. */
export function optionalHandlers<Name extends RouteName>(
  handlers: HandlersOf<Name> | undefined,
): Readonly<Record<Name, RouteHandler | undefined>> {
  return handlers ?? ({} as Record<Name, undefined>);
}
