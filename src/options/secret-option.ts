import { createSecretKey, type KeyObject } from 'node:crypto';

import { StreamKitError } from '../base/errors.js';
import type { OptionCheck } from './option-checks.js';

/** A secret of so many bytes at the least. They are copied, and what was received must not reach a log. */
export function secretOption(leastBytes: number): OptionCheck<KeyObject> {
  return (value, name) => {
    const bytes =
      typeof value === 'string' || value instanceof Uint8Array ? Buffer.from(value as Uint8Array) : undefined;
    if (bytes === undefined || bytes.byteLength < leastBytes) {
      const received = bytes === undefined ? `type ${typeof value}` : `${bytes.byteLength} bytes`;
      const expected = `string or Uint8Array of at least ${leastBytes} bytes`;
      throw new StreamKitError('bad_option', `Expected ${expected} for ${name} but received ${received}`);
    }
    return createSecretKey(bytes);
  };
}
