/** How a server is taken out of service: what `router.drain` and `POST /admin/drain` take. */
export interface DrainRequest {
  /**
   * Moves sessions to other servers of the cluster, where their pages are loaded again with what they have stored; without the option
   * `cluster` it has no effect. Default false: they go on here until nobody uses them.
   */
  readonly move?: boolean;
}
