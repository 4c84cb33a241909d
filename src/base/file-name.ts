/** Of a name, bytes of UTF-8: file systems take 255, and the browser appends something of its own meanwhile. */
const MAX_NAME_BYTES = 200;
const MAX_EXTENSION_BYTES = 20;
/** Separators of paths on any system, what Windows reserves, control characters, and marks that turn the direction of text. */
// oxlint-disable-next-line no-control-regex -- they are what is looked for.
const UNSAFE = /[\u0000-\u001f\u007f-\u009f<>:"|?*\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** Windows opens a device by these names, whatever extension follows. */
const DEVICE = /^(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[\d\u00b9\u00b2\u00b3])(?=\s*(?:\.|$))/i;

/**
 * The name that a file is given on this machine, out of one that a client or a page has chosen: its last segment, without what
 * would make it another path, a hidden file, a device of Windows or another name than is seen. `file` where nothing is left.
 */
export function cleanFileName(name: string): string {
  const [last = ''] = /[^/\\]*$/.exec(name) ?? [];
  const clean = last
    .normalize('NFC')
    .replace(UNSAFE, '')
    // Half of a character.
    .replace(/\p{Surrogate}/gu, '')
    .replace(/^[. ]+|[. ]+$/g, '')
    .replace(DEVICE, '_$&');
  if (clean === '') return 'file';
  const [extension = ''] = /\.[^.]*$/.exec(clean) ?? [];
  const kept = Buffer.byteLength(extension) <= MAX_EXTENSION_BYTES ? extension : '';
  const stem = clean.slice(0, clean.length - kept.length);
  return firstBytes(stem, MAX_NAME_BYTES - Buffer.byteLength(kept)) + kept;
}

/** As much of a text as fits, in whole characters. */
function firstBytes(text: string, maxBytes: number): string {
  if (Buffer.byteLength(text) <= maxBytes) return text;
  let bytes = 0;
  let kept = '';
  for (const character of text) {
    bytes += Buffer.byteLength(character);
    if (bytes > maxBytes) break;
    kept += character;
  }
  return kept;
}
