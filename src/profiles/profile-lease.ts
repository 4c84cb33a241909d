/** Where a profile is read from, and how it is sealed. It goes to the session process. */
export interface ProfileSource {
  readonly path: string;
  /** 32 bytes in base64; absent: it is not encrypted. */
  readonly key?: string;
  readonly maxBytes: number;
  /** Otherwise one that is not there is an empty one. */
  readonly mustExist: boolean;
}

/** A profile that one session has. */
export interface ProfileLease {
  readonly id: string;
  /** It is to be stored when the session ends; nobody else stores it meanwhile. */
  readonly save: boolean;
  readonly source: ProfileSource;
  /**
   * Replaces the stored profile. When it rejects, that is as it was.
   *
   * @param pack - writes the archive to this path, at which there is nothing.
   * @throws StreamKitError `limit_reached`, `profile_in_use`, or what `pack` throws.
   */
  store(pack: (path: string) => Promise<void>): Promise<void>;
  /** Others may store it. Idempotent. */
  release(): Promise<void>;
}
