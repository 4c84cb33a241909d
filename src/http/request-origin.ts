import type { IncomingHttpHeaders } from 'node:http';

/**
 * Whether a request with an `Origin` comes from a page of this very server, as its client sees it. A request without one
 * does not come from a page. Ports are compared as RFC 6454 section 5 has them: a default port is the same as none.
 *
 * @param trustedProxies - how many proxies in front are believed about `X-Forwarded-Host`, `-Port` and `-Proto`.
 */
export function isSameOrigin(headers: IncomingHttpHeaders, trustedProxies: number): boolean {
  const { origin, host } = headers;
  if (origin === undefined) return true;
  if (!URL.canParse(origin)) return false;
  const page = new URL(origin);
  // RFC 6454 section 6.2: an origin is a scheme and an authority, and "null" has neither.
  if (page.origin === 'null' || page.origin !== origin) return false;
  const forwarded = (name: string): string | undefined => entryOf(headers[name], trustedProxies);
  const scheme = forwarded('x-forwarded-proto')?.toLowerCase();
  if (scheme !== undefined && `${scheme}:` !== page.protocol) return false;
  const port = forwarded('x-forwarded-port');
  const named = forwarded('x-forwarded-host') ?? host;
  return [named, ...(port === undefined ? [] : [withPort(named, port)])].some(
    (one) => authorityOf(one, page.protocol) === page.host,
  );
}

/**
 * The origin at which a client reaches this server, such as `https://example.org`; undefined if `Host` names none.
 *
 * @param isEncrypted - the connection to this server is.
 * @param trustedProxies - as of {@link isSameOrigin}.
 */
export function serverOrigin(
  headers: IncomingHttpHeaders,
  isEncrypted: boolean,
  trustedProxies: number,
): string | undefined {
  const forwarded = (name: string): string | undefined => entryOf(headers[name], trustedProxies);
  const scheme = forwarded('x-forwarded-proto')?.toLowerCase() ?? (isEncrypted ? 'https' : 'http');
  if (scheme !== 'https' && scheme !== 'http') return undefined;
  const named = forwarded('x-forwarded-host') ?? headers.host;
  const port = forwarded('x-forwarded-port');
  const authority = authorityOf(port === undefined ? named : withPort(named, port), `${scheme}:`);
  return authority === undefined ? undefined : `${scheme}://${authority}`;
}

/** What the outermost trusted proxy said; undefined where none is trusted or it said nothing. */
function entryOf(header: string | string[] | undefined, trustedProxies: number): string | undefined {
  if (header === undefined || trustedProxies === 0) return undefined;
  const entries = [header].flat().join(',').split(',');
  // Some proxies overwrite where others append.
  return (entries.at(-trustedProxies) ?? entries[0])?.trim();
}

function withPort(host: string | undefined, port: string): string | undefined {
  return host === undefined || /:\d+$/.test(host) ? host : `${host}:${port}`;
}

/** In lower case and without the default port of the scheme; undefined for what is no authority. */
function authorityOf(host: string | undefined, scheme: string): string | undefined {
  if (host === undefined || /[/?#@\\\s]/.test(host) || !URL.canParse(`${scheme}//${host}`)) return undefined;
  return new URL(`${scheme}//${host}`).host;
}
