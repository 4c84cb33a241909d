import type { PoolRoom } from '../render/warm-pool.js';
import type { Admission } from './admission.js';

/**
 * What admission leaves to spare browsers.
 *
 * @param pagesLeft - how many sessions may still be created.
 */
export function poolRoom(admission: Admission, pagesLeft: () => number): PoolRoom {
  return {
    get sessionsLeft() {
      return pagesLeft();
    },
    get hasMuch() {
      return admission.carries(2);
    },
    // Not for lack of CPU time: a spare that waits takes none, and near the limit one after the other would be launched and given up.
    get isShort() {
      return !admission.hasMemoryFor(1);
    },
    setLaunching: (isLaunching) => admission.setSpareLaunching(isLaunching),
  };
}
