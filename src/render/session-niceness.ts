import { getPriority } from 'node:os';

import { setGroupNiceness } from '../base/process-niceness.js';

/** Added while nothing of the page is encoded: three times less CPU than a page that is. */
const UNWATCHED_NICENESS = 5;

/**
 * How much of a busy CPU the processes of this session get beside those of others. While nothing of its page is encoded it
 * yields, so that what it does slows down no page that is watched. Its launch does not, nor does it while it stores a profile: somebody
 * waits for that.
 */
export class SessionNiceness {
  /** While it is being set: a change meanwhile is seen at its end. */
  #isSetting = false;
  #isWatched = false;
  #browserPid: number | undefined;

  /** The page is there. Once. */
  begin(browserPid: number): void {
    this.#browserPid = browserPid;
    this.#apply();
  }

  setWatched(isWatched: boolean): void {
    if (isWatched === this.#isWatched) return;
    this.#isWatched = isWatched;
    this.#apply();
  }

  #apply(): void {
    const browserPid = this.#browserPid;
    if (browserPid === undefined || this.#isSetting) return;
    this.#isSetting = true;
    void this.#set(browserPid).finally(() => (this.#isSetting = false));
  }

  async #set(browserPid: number): Promise<void> {
    for (let isWatched: boolean | undefined; isWatched !== this.#isWatched;) {
      isWatched = this.#isWatched;
      const niceness = getPriority() + (isWatched ? 0 : UNWATCHED_NICENESS);
      for (const pid of [process.pid, browserPid]) await setGroupNiceness(pid, niceness);
    }
  }
}
