import { StreamKitError } from '../base/errors.js';

/** Most snapshots of one session that are taken or waited for. */
const MAX_SNAPSHOTS = 4;

/** Takes snapshots one after the other: each costs the browser a full encode of its picture. */
export class SnapshotQueue {
  #last: Promise<unknown> = Promise.resolve();
  #length = 0;

  /** @throws StreamKitError `at_capacity` when too many wait already. */
  run(take: () => Promise<Uint8Array>): Promise<Uint8Array> {
    if (this.#length >= MAX_SNAPSHOTS) {
      const headers = { 'Retry-After': '1' };
      throw new StreamKitError('at_capacity', 'Too many snapshots are being taken', { headers });
    }
    this.#length += 1;
    const taken = this.#last.then(take);
    this.#last = taken.then(
      () => this.#onTaken(),
      () => this.#onTaken(),
    );
    return taken;
  }

  #onTaken(): void {
    this.#length -= 1;
  }
}
