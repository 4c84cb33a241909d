import type { Clock } from '../../base/clock.js';
import { TokenBucket } from '../../base/token-bucket.js';
import type { PageEvent } from '../../protocol/page-events.js';

type ImagePart = Extract<PageEvent, { type: 'clipboard_image' }>;
type Refusal = Extract<PageEvent, { type: 'refused' }>;

/** As `watchImages` makes them. */
const PART_LENGTH = 48 * 1024;
const PARTS_MAX = 17;
const IMAGES_PER_SECOND = 1;
const IMAGES_AT_ONCE = 3;
const TOO_LARGE: Refusal = {
  type: 'refused',
  what: 'clipboard',
  message: 'The image that the page has copied is too large: expected at most 600 KiB as PNG',
};
/** The first bytes of every PNG, as far as they are whole groups of base64. */
const PNG = 'iVBORw0K';

/** Admits the parts of PNGs that a page has copied, each image whole and in its order. What is in them is the page's. */
export class CopiedImages {
  readonly #images: TokenBucket;
  /** The part that is to come. */
  #next = { part: 0, parts: 0 };

  constructor(clock: Clock) {
    this.#images = new TokenBucket(clock, IMAGES_PER_SECOND, IMAGES_AT_ONCE);
  }

  /**
   * @returns the refusal of an image that is too large; undefined for what is no part of a PNG, or comes out of order, or too
   * often.
   */
  admit(value: unknown): ImagePart | Refusal | undefined {
    const { part, parts, data, tooLarge } = (value ?? {}) as Record<string, unknown>;
    if (tooLarge === true) return this.#images.take(1) ? TOO_LARGE : undefined;
    if (!isCount(part) || !isCount(parts) || part >= parts || parts > PARTS_MAX) return undefined;
    const isLast = part === parts - 1;
    if (typeof data !== 'string' || !isBase64(data, isLast)) return undefined;
    if (part === 0) {
      if (!data.startsWith(PNG) || !this.#images.take(1)) return undefined;
    } else if (part !== this.#next.part || parts !== this.#next.parts) {
      return undefined;
    }
    this.#next = { part: part + 1, parts };
    return { type: 'clipboard_image', part, parts, data };
  }
}

function isCount(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0;
}

/** Only the last part may be short, and end in padding. */
function isBase64(data: string, isLast: boolean): boolean {
  const fits = isLast ? data.length > 0 && data.length <= PART_LENGTH : data.length === PART_LENGTH;
  return (
    fits && data.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(data) && (isLast || !data.endsWith('='))
  );
}
