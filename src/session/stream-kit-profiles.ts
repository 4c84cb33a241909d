import { StreamKitError } from '../base/errors.js';
import { callerId } from '../options/access-options.js';
import type { ProfileStore } from '../profiles/profile-store.js';
import { parseStorageState, storageStateOf } from '../profiles/storage-state.js';
import type { StorageState } from '../protocol/storage-state.js';
import type { ProfileInfo } from '../protocol/profiles.js';
import { applicationCaller, type Caller, profileOwnerOf } from './caller.js';

/** Whose profiles are meant. */
export interface ProfileOwner {
  /** A `callerId` of `validateRequest`. Default: those that the application itself makes, for nobody. */
  readonly owner?: string;
}

/** The stored profiles of a router. Without the option `profileDirectory` every method throws `not_found`. */
export class StreamKitProfiles {
  readonly #store: ProfileStore | undefined;

  /** For the router alone. */
  constructor(store: ProfileStore | undefined) {
    this.#store = store;
  }

  /** By id. */
  async list({ owner }: ProfileOwner = {}): Promise<ProfileInfo[]> {
    return this.of(callerFor(owner)).list();
  }

  /**
   * Deletes a profile. Sessions that began with it go on.
   *
   * @throws StreamKitError `no_such_profile`, `profile_in_use` while a session is going to store it.
   */
  async delete(id: string, { owner }: ProfileOwner = {}): Promise<void> {
    await this.of(callerFor(owner)).delete(id);
  }

  /**
   * The cookies of a stored profile and the local storage of the origins that its pages were of, as Playwright's `storageState`.
   *
   * @throws StreamKitError `no_such_profile`, `profile_failed` where it cannot be read.
   */
  async storageState(id: string, { owner }: ProfileOwner = {}): Promise<StorageState> {
    return this.of(callerFor(owner)).storageState(id);
  }

  /**
   * Stores a profile of nothing but cookies and local storage; what was stored under this id before is gone.
   *
   * @param state - as Playwright writes it; IndexedDB in it is ignored.
   * @throws StreamKitError `bad_request`, `too_large`, `profile_in_use`, `limit_reached`.
   */
  async setStorageState(id: string, state: StorageState, { owner }: ProfileOwner = {}): Promise<void> {
    await this.of(callerFor(owner)).setStorageState(id, state);
  }

  /** For the routes. @throws StreamKitError `not_found`, `forbidden`. */
  of(caller: Caller): CallerProfiles {
    if (this.#store === undefined)
      throw new StreamKitError('not_found', 'There is no option profileDirectory');
    const store = this.#store;
    const owner = profileOwnerOf(caller);
    return {
      list: () => store.list(owner),
      delete: (id) => store.remove(owner, id),
      storageState: async (id) => storageStateOf(await store.readState(owner, id)),
      setStorageState: (id, state) => store.writeState(owner, id, parseStorageState(state)),
    };
  }
}

/** The profiles of one caller. */
interface CallerProfiles {
  list(): Promise<ProfileInfo[]>;
  delete(id: string): Promise<void>;
  storageState(id: string): Promise<StorageState>;
  /** @param state - hostile. */
  setStorageState(id: string, state: unknown): Promise<void>;
}

function callerFor(owner: string | undefined): Caller {
  return applicationCaller(owner === undefined ? undefined : callerId(owner, 'owner'));
}
