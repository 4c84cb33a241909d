import { badOption } from './option-checks.js';
import { option, type OptionsOf, orSwitch, type ResolvedOptionsOf, tableCheck } from './option-definition.js';

const STREAM_KIT_WEB = {
  /**
   * Where clients reach the router: `https://example.org/stream`. The address of the signaling WebSocket is below it. Default: as
   * the request says, by its `Host` or, with `trustProxy`, its `X-Forwarded-*`.
   */
  publicUrl: option<string>(publicUrl),
};

/** How the routes for stream-kit-web are served. */
export interface StreamKitWebOptions extends OptionsOf<typeof STREAM_KIT_WEB> {}

/** {@link StreamKitWebOptions}, checked: the URL has no slash at the end. */
export type ResolvedStreamKitWebOptions = ResolvedOptionsOf<typeof STREAM_KIT_WEB>;

/** Of a boolean or an object. Undefined: the routes are not served. @throws StreamKitError `bad_option`. */
export const streamKitWebOptions = orSwitch(tableCheck(STREAM_KIT_WEB));

function publicUrl(value: unknown, name: string): string {
  const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '') {
    throw badOption('http or https URL without a query', name, value);
  }
  return url.href.replace(/\/+$/, '');
}
