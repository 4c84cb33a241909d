import { StreamKitError } from '../base/errors.js';
import { hostOf } from '../egress/target-policy.js';

/** Where a session is pushed to by FFmpeg. */
export interface PushTarget {
  readonly kind: 'rtmp' | 'srt';
  /** As it was asked for; its path and its query are secrets. */
  readonly url: URL;
  /** Host and port as a policy knows them; `https:` for what goes over TLS. */
  readonly hostUrl: URL;
  readonly host: string;
  readonly port: number;
  /** What FFmpeg needs besides the address: path and query. A secret. */
  readonly rest: string;
}

const RTMP_PORT = 1935;
const RTMPS_PORT = 443;
/** FFmpeg cuts off a longer path with its query, at 1023 bytes, without an error. */
const MAX_RTMP_CHARACTERS = 1000;
/** Parameters of SRT that a URL may have, and what each may be. */
const SRT_PARAMETERS: Readonly<Record<string, { readonly pattern: RegExp; readonly expected: string }>> = {
  mode: { pattern: /^caller$/, expected: 'caller' },
  streamid: { pattern: /^[^\p{Cc}]+$/u, expected: '1 to 512 characters' },
  // FFmpeg takes it as it stands in the URL.
  passphrase: {
    pattern: /^[\w!#$()*,.:;<=>?@[\]^{|}~/-]{10,79}$/,
    expected: '10 to 79 letters, digits and punctuation without & % + and quotes',
  },
  pbkeylen: { pattern: /^(?:16|24|32)$/, expected: '16, 24 or 32' },
  latency: { pattern: /^(?:[2-9]\d|[1-9]\d{2}|[1-7]\d{3}|8000)$/, expected: '20 to 8000 ms' },
};
/** FFmpeg waits no longer for the other side, µs; a thread that waits cannot be ended. */
const SRT_TIMEOUT_US = 5_000_000;

/** @throws StreamKitError `bad_request` that shows nothing of the URL. */
export function pushTarget(url: URL): PushTarget {
  const kind = url.protocol === 'srt:' ? 'srt' : 'rtmp';
  const isSecure = url.protocol === 'rtmps:';
  const port = url.port === '' ? (isSecure ? RTMPS_PORT : RTMP_PORT) : Number(url.port);
  if (kind === 'srt' && url.port === '') throw bad('a port in a URL of SRT');
  if (kind === 'rtmp' && !/^\/+[^/]+\/+[^/]/.test(url.pathname))
    throw bad('application and stream key in the path of a URL of RTMP');
  // The parser knows the forms of an address only in URLs of HTTP.
  const web = `${isSecure ? 'https' : 'http'}://${url.hostname}:${port}/`;
  if (!URL.canParse(web)) throw bad('a host in url');
  const hostUrl = new URL(web);
  const rest = kind === 'srt' ? srtQuery(url) : `${url.pathname}${url.search}`;
  if (kind === 'rtmp' && rest.length > MAX_RTMP_CHARACTERS)
    throw bad(`at most ${MAX_RTMP_CHARACTERS} characters for path and query of a URL of RTMP`);
  return { kind, url, hostUrl, host: hostOf(hostUrl), port, rest };
}

/** What FFmpeg's protocol takes; the latency is in ms in a URL, and in µs there. */
function srtQuery(url: URL): string {
  if (url.pathname !== '' && url.pathname !== '/') throw bad('no path in a URL of SRT');
  const parameters = [`mode=caller`, `pkt_size=1316`, `timeout=${SRT_TIMEOUT_US}`];
  for (const [name, value] of url.searchParams) {
    const known = Object.hasOwn(SRT_PARAMETERS, name) ? SRT_PARAMETERS[name] : undefined;
    if (known === undefined || url.searchParams.getAll(name).length > 1)
      throw bad(`only ${Object.keys(SRT_PARAMETERS).join(', ')}, each once, in the query of a URL of SRT`);
    if (!known.pattern.test(value)) throw bad(`${known.expected} for ${name} in the query of a URL of SRT`);
    const encoded = encodeURIComponent(value);
    // Limits of SRT and FFmpeg.
    const isLong = name === 'streamid' && (value.length > 512 || encoded.length > 1000);
    if (isLong) throw bad(`${known.expected} for ${name} in the query of a URL of SRT`);
    if (name === 'mode') continue;
    if (name === 'latency') parameters.push(`latency=${Number(value) * 1000}`);
    else parameters.push(`${name}=${name === 'streamid' ? encoded : value}`);
  }
  return `?${parameters.join('&')}`;
}

function bad(expected: string): StreamKitError {
  return new StreamKitError('bad_request', `Expected ${expected}`);
}
