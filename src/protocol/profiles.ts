import type { ErrorCode } from './error-codes.js';

/** Cookies, local storage, IndexedDB and permissions of pages, which outlive a session. Needs the option `profileDirectory`. */
export interface ProfileRequest {
  /** 1–64 letters, digits, `-` and `_`. Every caller has profiles of its own. */
  readonly id: string;
  /**
   * Whether the profile is stored when the session ends; at most one such session runs at a time, and it makes the profile if there is
   * none. Default false: the session begins with what is stored, as any number may at a time, and what it changes is lost.
   */
  readonly save?: boolean;
}

/** One stored profile. */
export interface ProfileInfo {
  readonly id: string;
  /** What it takes on the disk. */
  readonly bytes: number;
  /** When it was stored, ms since the epoch. */
  readonly savedAt: number;
  /** A session runs that is going to store it again. */
  readonly inUse: boolean;
}

/** The profile of one session, and what became of it. */
export interface SessionProfile {
  readonly id: string;
  readonly save: boolean;
  /** Whether it was stored; null before the end, and where it is not to be stored. */
  readonly saved: boolean | null;
  /** Why it was not stored. */
  readonly code?: ErrorCode;
}
