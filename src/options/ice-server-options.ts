import type { KeyObject } from 'node:crypto';

import { StreamKitError } from '../base/errors.js';
import { anObject, badOption, listOf, oneOf, refuseUnknownNames } from './option-checks.js';
import { defined, option, type OptionsOf, required, tableCheck } from './option-definition.js';
import { turnRestLifetime, type TurnRestParameters, turnRestSecret } from './turn-rest.js';

/** A STUN or TURN server: RTCIceServer of the W3C. */
export interface IceServerOption {
  readonly urls: string | readonly string[];
  readonly username?: string;
  readonly credential?: string;
}

const ICE_SERVER = {
  urls: required<string | readonly string[]>(iceUrls),
  username: option<string>(text),
  credential: option<string>(secret),
  /**
   * Instead of `username` and `credential`: each viewer gets credentials of its own that expire, and new ones with each
   * ICE restart. The secret itself stays here. `lifetimeSeconds`: 60–2592000, default 86400.
   */
  turnRest: option<Readonly<Pick<TurnRestParameters, 'secret' | 'lifetimeSeconds'>>, ResolvedTurnRest>(
    turnRestEntry,
  ),
  /**
   * Who gathers candidates from it. A server that viewers reach at `udpPort` needs no relay of its own: with `viewers` it
   * is spared an allocation a viewer. Default `both`.
   */
  usedBy: option<'both' | 'server' | 'viewers'>(oneOf('both', 'server', 'viewers'), 'both'),
};

/** An ICE server as it is configured. */
export interface IceServerEntry extends Readonly<OptionsOf<typeof ICE_SERVER>> {}

/** For whom ICE servers are asked. */
export interface IceServersContext {
  readonly streamId: string;
  /** Who is calling, where `validateRequest` has said that. */
  readonly callerId?: string;
  /** What else `validateRequest` said of the request that opens the viewer's event stream. */
  readonly callerContext?: Readonly<Record<string, unknown>>;
}

/** Names the ICE servers of one viewer, for example with credentials that were made for it. */
export type IceServersHook = (
  context: IceServersContext,
) => readonly IceServerEntry[] | Promise<readonly IceServerEntry[]>;

interface ResolvedTurnRest {
  readonly key: KeyObject;
  readonly lifetimeSeconds: number;
}

export interface ResolvedIceServerEntry extends IceServerOption {
  readonly turnRest?: ResolvedTurnRest;
  readonly usedBy: 'both' | 'server' | 'viewers';
}

/** The ICE servers of one viewer, for its end and for ours. */
export interface IceServers {
  readonly viewer: readonly IceServerOption[];
  readonly server: readonly IceServerOption[];
}

export const NO_ICE_SERVERS: IceServers = Object.freeze({
  viewer: Object.freeze([]),
  server: Object.freeze([]),
});

/** @throws StreamKitError `bad_option`. */
export function iceServersOption(
  value: unknown,
  name: string,
): readonly ResolvedIceServerEntry[] | IceServersHook {
  if (typeof value === 'function') return value as IceServersHook;
  if (!Array.isArray(value)) throw badOption('array or function', name, value);
  return iceServerList(value, name);
}

/** @throws StreamKitError `bad_option`. */
export const iceServerList = listOf(iceServer);

const checkIceServer = tableCheck(ICE_SERVER);

function iceServer(value: unknown, name: string): ResolvedIceServerEntry {
  const { urls, usedBy, ...rest } = checkIceServer(value, name);
  const { username, credential, turnRest } = rest;
  if (turnRest !== undefined && (username !== undefined || credential !== undefined)) {
    throw new StreamKitError(
      'bad_option',
      `Expected no ${name}.username and ${name}.credential beside ${name}.turnRest, which makes them`,
    );
  }
  return Object.freeze({ urls, usedBy, ...defined(rest) });
}

function iceUrls(value: unknown, name: string): string | readonly string[] {
  return Array.isArray(value) ? listOf(iceUrl)(value, name) : iceUrl(value, name);
}

function turnRestEntry(value: unknown, name: string): ResolvedTurnRest {
  const given = anObject(value, name);
  refuseUnknownNames(given, ['secret', 'lifetimeSeconds'], name);
  return Object.freeze({
    key: turnRestSecret(given.secret, `${name}.secret`),
    lifetimeSeconds: turnRestLifetime(given.lifetimeSeconds, `${name}.lifetimeSeconds`),
  });
}

function iceUrl(value: unknown, name: string): string {
  if (typeof value !== 'string' || !/^(stun|turn)s?:[^\s/]/.test(value)) {
    throw badOption('stun: or turn: URL', name, value);
  }
  return value;
}

function text(value: unknown, name: string): string {
  if (typeof value !== 'string') throw badOption('string', name, value);
  return value;
}

/** As {@link text}, but what was received must not reach a log. */
function secret(value: unknown, name: string): string {
  if (typeof value === 'string') return value;
  throw new StreamKitError('bad_option', `Expected string for ${name} but received type ${typeof value}`);
}
