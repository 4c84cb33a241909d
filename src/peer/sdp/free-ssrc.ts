import { randomInt } from 'node:crypto';

const MAX_SSRC = 2 ** 32;

/** @param taken - SSRCs of the same transport; the new one is added. */
export function freeSsrc(taken: Set<number>): number {
  for (;;) {
    const ssrc = randomInt(1, MAX_SSRC);
    if (taken.has(ssrc)) continue;
    taken.add(ssrc);
    return ssrc;
  }
}
