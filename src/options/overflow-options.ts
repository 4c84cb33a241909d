import { StreamKitError } from '../base/errors.js';
import type { MediaSource } from '../protocol/media-source.js';
import type { PublicationRequest } from '../protocol/publications.js';
import {
  aFunction,
  badOption,
  integerBetween,
  isEndpoint,
  MAX_ENDPOINT_CHARACTERS,
  type OptionCheck,
} from './option-checks.js';
import { option, type OptionsOf, required, type ResolvedOptionsOf, tableCheck } from './option-definition.js';

/** The session that is published for its further viewers. */
export interface OverflowSession {
  readonly streamId: string;
}

/** Names the WHIP endpoint of a session, and how to publish to it. A text is its URL. */
export type OverflowPublishHook = (
  session: OverflowSession,
) => string | PublicationRequest | Promise<string | PublicationRequest>;

/** The viewer that is sent to the media server. */
export interface OverflowViewer extends OverflowSession {
  /** By which others know the viewer, unique in its session. */
  readonly publicId: string;
  /** Who it is, where `validateRequest` has said that. */
  readonly callerId?: string;
  /** What else `validateRequest` said of the request that opened its event stream. */
  readonly callerContext?: Readonly<Record<string, unknown>>;
}

/** Says where one viewer gets its media from; the token goes to this viewer and to nobody else. */
export type OverflowPlayHook = (viewer: OverflowViewer) => MediaSource | Promise<MediaSource>;

const WHEN = {
  /** A session has so many viewers who get their media from this server, 1–10000. Default: however many there are. */
  viewers: option<number>(integerBetween(1, 10_000)),
  /**
   * This server sends so much media over UDP and TCP (ICE) to the viewers of all its sessions, bits/s, 100000–1000000000000. Default:
   * however much it is.
   */
  egressBps: option<number>(integerBetween(100_000, 1_000_000_000_000)),
};

/** From when on newcomers get their media from elsewhere: as soon as one of them is reached. */
export interface OverflowWhenOptions extends OptionsOf<typeof WHEN> {}

export type ResolvedOverflowBounds = ResolvedOptionsOf<typeof WHEN>;

const OVERFLOW = {
  /** From when on newcomers get their media from the media server. */
  when: required<OverflowWhenOptions, ResolvedOverflowBounds>(bounds),
  /**
   * The WHIP endpoint that a session is published to while any of its viewers get their media from there, at most 2048 characters without
   * credentials, or a function that names it, and has 5 s. One URL for all sessions does for one session at a time. It is held to
   * `publications.targets`.
   */
  publish: required<string | OverflowPublishHook>(endpoint),
  /** Says where one viewer gets its media from, and has 5 s. */
  play: required<OverflowPlayHook>(aFunction as OptionCheck<OverflowPlayHook>),
  /** Most viewers of one session there, beside the `maxViewersPerSession` that this server can serve, 1–100000. Default 1000. */
  maxViewers: option<number>(integerBetween(1, 100_000), 1000),
};

/** Sends viewers beyond a bound to a media server for picture and sound. */
export interface OverflowOptions extends OptionsOf<typeof OVERFLOW> {}

export type ResolvedOverflowOptions = ResolvedOptionsOf<typeof OVERFLOW>;

/** @throws StreamKitError `bad_option`. */
export const overflowOptions = tableCheck(OVERFLOW);

/** @throws StreamKitError `bad_option` for an overflow that could never take place. */
export function checkOverflow(overflow: ResolvedOverflowOptions | undefined, publications: unknown): void {
  if (overflow === undefined || publications !== undefined) return;
  throw new StreamKitError('bad_option', 'Expected publications beside overflow, which publishes sessions');
}

function bounds(value: unknown, name: string): ResolvedOverflowBounds {
  const given = tableCheck(WHEN)(value, name);
  if (given.viewers === undefined && given.egressBps === undefined) {
    throw badOption('viewers or egressBps', name, value);
  }
  return given;
}

function endpoint(value: unknown, name: string): string | OverflowPublishHook {
  if (typeof value === 'function') return value as OverflowPublishHook;
  if (isEndpoint(value, /^https?:$/)) return value;
  // Not shown: its path may be a stream key.
  throw new StreamKitError(
    'bad_option',
    `Expected function or http or https URL of at most ${MAX_ENDPOINT_CHARACTERS} characters without credentials for ${name}`,
  );
}
