/**
 * A text in pieces of at most `maxBytes` of UTF-8, none of which begins or ends within a character.
 *
 * @param maxBytes - at least 4, the longest character.
 */
export function textPieces(text: string, maxBytes: number): string[] {
  const pieces: string[] = [];
  let begin = 0;
  let bytes = 0;
  let at = 0;
  for (const character of text) {
    const size = utf8Bytes(character.codePointAt(0) ?? 0);
    if (bytes + size > maxBytes) {
      pieces.push(text.slice(begin, at));
      begin = at;
      bytes = 0;
    }
    bytes += size;
    at += character.length;
  }
  if (begin < text.length) pieces.push(text.slice(begin));
  return pieces;
}

/** RFC 3629 section 3. A lone surrogate is sent as U+FFFD, which takes as many bytes. */
function utf8Bytes(codePoint: number): number {
  return codePoint < 0x80 ? 1 : codePoint < 0x800 ? 2 : codePoint < 0x10000 ? 3 : 4;
}
