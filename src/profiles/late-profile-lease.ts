import { StreamKitError } from '../base/errors.js';
import type { ProfileLease, ProfileSource } from './profile-lease.js';

/** A profile that another server holds until a session has moved from it. The session begins with what it has brought. */
export class LateProfileLease implements ProfileLease {
  readonly save = true;
  readonly id: string;
  readonly source: ProfileSource;
  readonly #take: () => Promise<ProfileLease>;
  #taken: Promise<ProfileLease> | undefined;

  /** @param take - waits until the profile is free. */
  constructor(id: string, source: ProfileSource, take: () => Promise<ProfileLease>) {
    this.id = id;
    this.source = source;
    this.#take = take;
  }

  /** The session has moved: takes the profile as soon as it is free. */
  begin(): void {
    this.#taken ??= this.#take();
    // Whoever stores it is told.
    this.#taken.catch(() => undefined);
  }

  async store(pack: (path: string) => Promise<void>): Promise<void> {
    if (this.#taken === undefined)
      throw new StreamKitError('unavailable', "The session has not moved: its profile is another server's");
    await (await this.#taken).store(pack);
  }

  async release(): Promise<void> {
    const lease = await this.#taken?.catch(() => undefined);
    await lease?.release();
  }
}
