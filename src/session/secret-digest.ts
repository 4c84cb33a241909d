import { createHash } from 'node:crypto';

/** Longer than any secret that was given out, characters: what is longer is not worth hashing. */
const MAX_SECRET_CHARS = 256;

/**
 * What a secret is looked up under in a Map. A Map compares as far as two keys agree and may take longer where they agree
 * for longer; of digests that tells nothing, since nobody who does not have the secret can choose one that begins as its
 * digest does.
 *
 * @returns empty, as no digest is, for what is too long to be a secret of ours.
 */
export function secretDigest(secret: string): string {
  if (secret.length > MAX_SECRET_CHARS) return '';
  return createHash('sha256').update(secret).digest('base64');
}
