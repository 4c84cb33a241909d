/** What pages were refused, all sessions together, by error type of RFC 9209. */
export class EgressRefusals {
  readonly #counts: Record<string, number> = {};

  get counts(): Readonly<Record<string, number>> {
    return this.#counts;
  }

  add(errorType: string): void {
    this.#counts[errorType] = (this.#counts[errorType] ?? 0) + 1;
  }
}
