/** How a server answers another one that sends it a session. After any other answer it may have taken the session. */
export interface MoveAnswer {
  readonly taken: boolean;
  /** Why not, as in error answers. */
  readonly code?: string;
}
