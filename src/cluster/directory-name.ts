import { createHmac, type KeyObject } from 'node:crypto';

/**
 * What stands for a text in the directory: an HMAC, since whoever reads Redis could try all addresses against a plain hash.
 *
 * @param secret - of the cluster.
 */
export function directoryName(secret: KeyObject, text: string): string {
  // No passport is signed so.
  return createHmac('sha256', secret).update(`name ${text}`).digest('base64url').slice(0, 22);
}
