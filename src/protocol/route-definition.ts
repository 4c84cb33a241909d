import type { ErrorCode } from './error-codes.js';
import type { Right } from './rights.js';
import type { StreamTokenScope } from './token-scopes.js';

export type RouteMethod = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** One query parameter. Every one may be left out. */
export type QueryParameter = {
  /** One sentence. */
  readonly about: string;
} & (
  | { readonly type: 'integer'; readonly least: number; readonly most: number }
  | { readonly type: 'choice'; readonly among: readonly string[] }
  | { readonly type: 'text' }
);

/** An error that a route answers: a code with the status of `ERROR_STATUS`, or with one of its own. */
export type RouteError = ErrorCode | { readonly code: ErrorCode; readonly status: number };

/**
 * One route: a method at a path. HEAD is answered where GET is, OPTIONS at every path. What goes in and comes out besides
 * errors is in `RouteBodies`.
 */
export interface RouteDefinition {
  readonly method: RouteMethod;
  /**
   * Below the mount point and `basePath`. A segment that begins with a colon stands for any one segment; its name is in
   * {@link PATH_PARAMETERS}.
   */
  readonly path: string;
  /** What its caller needs. */
  readonly right: Right;
  /** Scope of the stream tokens that open it; null: no stream token does. */
  readonly scope: StreamTokenScope | null;
  /** One sentence for its documentation. */
  readonly summary: string;
  /**
   * Errors besides those of every route: of authorization and rates where it has a right, of bodies where it takes one,
   * `not_found` where it has an option.
   */
  readonly errors: readonly RouteError[];
  /** The option without which it is not served. */
  readonly option?: string;
  readonly query?: Readonly<Record<string, QueryParameter>>;
  /** What request headers mean, by name, besides those of the body. */
  readonly requestHeaders?: Readonly<Record<string, string>>;
  /** What headers of its good answers mean, by name, besides those of the body. */
  readonly answerHeaders?: Readonly<Record<string, string>>;
  /** The path is the default of an option, such as `metrics.path`. */
  readonly configurable?: true;
  /** Headers that OPTIONS answers at this path besides `Allow`. */
  readonly optionsHeaders?: Readonly<Record<string, string>>;
}

/** What the segments of paths that begin with a colon stand for. */
export const PATH_PARAMETERS: Readonly<Record<string, string>> = {
  streamId: 'Id of a session: a UUID, or the name of a tmux session.',
  playerId: 'Id of a player, from the `Location` of its creation.',
  recordingId: 'Id of a recording.',
  publicationId: 'Id of a publication.',
  publicId: 'Public id of a viewer, from the diagnostics.',
  profileId: 'Id of a profile, as its caller has named it.',
  fileId: 'Id of a file that the page has downloaded.',
  file: 'Name of a file: of a segment, from the playlist, or of a script.',
};
