import { anObject, badOption, refuseUnknownNames } from './option-checks.js';

/** How the routes for stream-kit-web are served. */
export interface StreamKitWebOptions {
  /**
   * Where clients reach the router: `https://example.org/stream`. The address of the signaling WebSocket is below it. Default: as
   * the request says, by its `Host` or, with `trustProxy`, its `X-Forwarded-*`.
   */
  publicUrl?: string;
}

/** {@link StreamKitWebOptions}, checked. */
export interface ResolvedStreamKitWebOptions {
  /** Without a slash at the end; undefined: as the request says. */
  readonly publicUrl: string | undefined;
}

/** @returns undefined: the routes are not served. @throws StreamKitError `bad_option`. */
export function streamKitWebOptions(value: unknown, name: string): ResolvedStreamKitWebOptions | undefined {
  if (value === undefined || value === false) return undefined;
  const given = value === true ? {} : anObject(value, name);
  refuseUnknownNames(given, ['publicUrl'], name);
  const { publicUrl } = given;
  if (publicUrl === undefined) return Object.freeze({ publicUrl: undefined });
  const url = typeof publicUrl === 'string' && URL.canParse(publicUrl) ? new URL(publicUrl) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '') {
    throw badOption('http or https URL without a query', `${name}.publicUrl`, publicUrl);
  }
  return Object.freeze({ publicUrl: url.href.replace(/\/+$/, '') });
}
