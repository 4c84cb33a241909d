import { asError, type ErrorCode, StreamKitError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type { ProfileLease, ProfileSource } from '../profiles/profile-lease.js';
import type { SessionProfile } from '../protocol/profiles.js';
import type { RestartableRender } from '../render/render.js';
import type { SessionEmitter } from './session-emitter.js';

/** What a page leaves behind that did this is not trusted, if it left a browser at all. */
const UNTRUSTED: ReadonlySet<ErrorCode> = new Set(['page_misbehaved', 'browser_crashed', 'out_of_memory']);

/** The profile of one session, from its lease to what became of it. */
export class ProfileKeeper {
  #lease: ProfileLease | undefined;
  readonly #events: Pick<SessionEmitter, 'emit'>;
  readonly #logger: Logger;
  #profile: SessionProfile | undefined;

  /** @param lease - undefined: the session has none. */
  constructor(lease: ProfileLease | undefined, events: Pick<SessionEmitter, 'emit'>, logger: Logger) {
    this.#lease = lease;
    this.#events = events;
    this.#logger = logger;
    if (lease !== undefined) this.#profile = { id: lease.id, save: lease.save, saved: null };
  }

  get profile(): SessionProfile | undefined {
    return this.#profile;
  }

  /** What the browser begins with. */
  get source(): ProfileSource | undefined {
    return this.#lease?.source;
  }

  /**
   * Stores it, unless the page broke its browser: what that leaves behind is not to be trusted.
   *
   * @param render - undefined: the page was never there.
   * @param failure - why the session has failed; undefined: it has not.
   * @returns undefined where it is not to be stored; never rejects.
   */
  store(
    render: RestartableRender | undefined,
    failure: StreamKitError | undefined,
  ): Promise<void> | undefined {
    return this.#lease?.save === true ? this.#store(this.#lease, render, failure) : undefined;
  }

  /** It is another keeper's from now on. @returns undefined where there is none. */
  handOver(): ProfileLease | undefined {
    const lease = this.#lease;
    this.#lease = undefined;
    return lease;
  }

  /** Others may store it. Idempotent. */
  async release(): Promise<void> {
    await this.#lease?.release();
  }

  async #store(
    lease: ProfileLease,
    render: RestartableRender | undefined,
    failure: StreamKitError | undefined,
  ): Promise<void> {
    const { id, save } = lease;
    try {
      if (failure !== undefined && UNTRUSTED.has(failure.code))
        throw new StreamKitError('unavailable', 'The page failed: what it leaves behind is not trusted');
      if (render === undefined)
        throw new StreamKitError('unavailable', 'The page was never there: there is nothing to store');
      const { key, maxBytes } = lease.source;
      await lease.store((path) =>
        render.storeProfile({ path, maxBytes, ...(key === undefined ? {} : { key }) }),
      );
      this.#profile = { id, save, saved: true };
      this.#logger.info({ profile: id }, 'the profile is stored');
    } catch (thrown) {
      const error = asError(thrown);
      const code = error instanceof StreamKitError ? error.code : 'profile_failed';
      this.#profile = { id, save, saved: false, code };
      this.#logger.warn(
        { err: error, profile: id, code },
        'the profile is not stored: it stays as it was before the session',
      );
    }
    this.#events.emit('profile', this.#profile);
  }
}
