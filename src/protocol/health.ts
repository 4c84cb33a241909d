/** What {@link RouterHealth} is made of. Nothing but yes and no: it is told to whoever asks. */
export interface HealthChecks {
  /** Another session could be taken. */
  readonly capacity: boolean;
  /** It is known which encoders work, and there is one. */
  readonly encoder: boolean;
  /** Media can be sent. */
  readonly mediaPlane: boolean;
  /** The directory of the cluster lets this server take sessions. Always true without a cluster. */
  readonly cluster: boolean;
}

/** How a router is. */
export interface RouterHealth {
  /**
   * `ok`: it could take another session. `degraded`: some check fails. `draining`: it takes no new sessions any more.
   * `closing`: it is being closed, or is.
   */
  readonly status: 'ok' | 'degraded' | 'draining' | 'closing';
  readonly checks: HealthChecks;
}
