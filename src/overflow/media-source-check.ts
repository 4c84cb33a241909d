import { isPlainObject } from '../options/option-checks.js';
import { MEDIA_SOURCE_KINDS, type MediaSource, type MediaSourceKind } from '../protocol/media-source.js';

const MAX_URL_CHARACTERS = 2048;
const MAX_TOKEN_CHARACTERS = 8192;
const SCHEMES: Readonly<Record<MediaSourceKind, RegExp>> = { whep: /^https?:$/, livekit: /^(?:ws|http)s?:$/ };

/** Checks what the application's hook names. The message shows neither URL nor token. @throws TypeError. */
export function checkedMediaSource(value: unknown): MediaSource {
  const { kind, url, token } = isPlainObject(value) ? value : {};
  const known = MEDIA_SOURCE_KINDS.find((candidate) => candidate === kind);
  if (known === undefined) throw new TypeError(`Expected kind ${MEDIA_SOURCE_KINDS.join(' or ')} from play`);
  const isText = typeof url === 'string' && url.length <= MAX_URL_CHARACTERS && URL.canParse(url);
  const parsed = isText ? new URL(url) : undefined;
  const isUsable =
    parsed !== undefined &&
    SCHEMES[known].test(parsed.protocol) &&
    parsed.username === '' &&
    parsed.password === '';
  if (!isUsable)
    throw new TypeError(`Expected URL of a ${known} server without credentials for url from play`);
  if (token === undefined) {
    if (known === 'livekit') throw new TypeError('Expected an access token for token from play');
    return { kind: known, url: parsed.href };
  }
  const isToken =
    typeof token === 'string' && token.length <= MAX_TOKEN_CHARACTERS && /^[\x21-\x7e]+$/.test(token);
  if (!isToken) {
    throw new TypeError(
      `Expected 1 to ${MAX_TOKEN_CHARACTERS} printable ASCII characters for token from play`,
    );
  }
  return { kind: known, url: parsed.href, token };
}
