import {
  isEndpoint,
  isPlainObject,
  isToken,
  MAX_ENDPOINT_CHARACTERS,
  MAX_TOKEN_CHARACTERS,
} from '../options/option-checks.js';
import { MEDIA_SOURCE_KINDS, type MediaSource, type MediaSourceKind } from '../protocol/media-source.js';

const SCHEMES: Readonly<Record<MediaSourceKind, RegExp>> = { whep: /^https?:$/, livekit: /^(?:ws|http)s?:$/ };

/** Checks what the application's hook names. The message shows neither URL nor token. @throws TypeError. */
export function checkedMediaSource(value: unknown): MediaSource {
  const { kind, url, token } = isPlainObject(value) ? value : {};
  const known = MEDIA_SOURCE_KINDS.find((candidate) => candidate === kind);
  if (known === undefined) throw new TypeError(`Expected kind ${MEDIA_SOURCE_KINDS.join(' or ')} from play`);
  if (!isEndpoint(url, SCHEMES[known])) {
    throw new TypeError(
      `Expected URL of a ${known} server of at most ${MAX_ENDPOINT_CHARACTERS} characters without credentials for url from play`,
    );
  }
  const { href } = new URL(url);
  if (token === undefined) {
    if (known === 'livekit') throw new TypeError('Expected an access token for token from play');
    return { kind: known, url: href };
  }
  if (!isToken(token)) {
    throw new TypeError(
      `Expected 1 to ${MAX_TOKEN_CHARACTERS} printable ASCII characters for token from play`,
    );
  }
  return { kind: known, url: href, token };
}
