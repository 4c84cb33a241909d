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

/** By the name of the route. A route without a handler is not served. */
export type RouteHandlers = Readonly<Partial<Record<RouteName, RouteHandler>>>;
