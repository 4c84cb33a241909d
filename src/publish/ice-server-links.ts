import type { IceServerOption } from '../options/ice-server-options.js';

/** Most servers that are taken from one answer. */
const MAX_SERVERS = 8;
/** Of all lines of one answer together: what is beyond is not read. */
const MAX_CHARACTERS = 8192;
const ICE_URL = /^(?:stun|turn)s?:[^\s"<>]{1,256}$/i;
/** RFC 8288 section 3: a target in angle brackets, and parameters whose values may be quoted. */
const LINK = /<([^<>]*)>((?:\s*;\s*[\w!#$%&'*+.^`|~-]+(?:\s*=\s*(?:"(?:[^"\\]|\\.)*"|[^\s",;]+))?)*)/g;
const PARAMETER = /;\s*([\w!#$%&'*+.^`|~-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",;]+))/g;

/**
 * The STUN and TURN servers that an answer names: RFC 9725 section 4.6. What cannot be read is passed over.
 *
 * @param lines - of the header `Link`.
 */
export function iceServersOfLinks(lines: readonly string[]): IceServerOption[] {
  const servers: IceServerOption[] = [];
  for (const [, url = '', text = ''] of lines.join(', ').slice(0, MAX_CHARACTERS).matchAll(LINK)) {
    const parameters = new Map<string, string>();
    for (const [, name = '', quoted, bare = ''] of text.matchAll(PARAMETER)) {
      const key = name.toLowerCase();
      if (!parameters.has(key)) parameters.set(key, quoted?.replaceAll(/\\(.)/g, '$1') ?? bare);
    }
    const isIceServer = parameters.get('rel')?.toLowerCase().split(/\s+/).includes('ice-server') === true;
    if (!isIceServer || !ICE_URL.test(url)) continue;
    const username = parameters.get('username');
    const credential = parameters.get('credential');
    servers.push({
      urls: url,
      ...(username === undefined ? {} : { username }),
      ...(credential === undefined ? {} : { credential }),
    });
    if (servers.length === MAX_SERVERS) break;
  }
  return servers;
}
