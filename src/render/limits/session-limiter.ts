/** The processes of one session, within their limits. */
export interface LimitedSession {
  /** They were ended because they needed more memory than they may. Known as soon as the session process has exited. */
  readonly outOfMemory: boolean;
  /** Kills what is left of them, where that can be known, and removes what held them. Idempotent. */
  close(): Promise<void>;
}

/** Keeps each session within `sessionLimits`. */
export interface SessionLimiter {
  /**
   * @param pid - the session process, before it has started anything: what it starts later is limited with it.
   */
  limit(streamId: string, pid: number): LimitedSession;
  close(): void;
}
