/** As the server sends them. */
const MAX_PARTS = 17;

/** An image that the page has copied: it comes in parts, and the next one begins with its own first part. */
export class ClipboardImage {
  #parts: string[] = [];

  /** @returns the image with its last part; undefined before, and for what is no part of it. */
  add(message: object): Blob | undefined {
    const { part, parts, data } = message as Partial<Record<string, unknown>>;
    if (part === 0) this.#parts = [];
    if (part !== this.#parts.length || typeof data !== 'string' || this.#parts.length >= MAX_PARTS)
      return undefined;
    this.#parts.push(data);
    if (part + 1 !== parts) return undefined;
    const bytes = Uint8Array.from(atob(this.#parts.join('')), (character) => character.charCodeAt(0));
    this.#parts = [];
    return new Blob([bytes], { type: 'image/png' });
  }
}
