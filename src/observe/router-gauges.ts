/** What is known of the parts and not told by sessions. */
export interface RouterGauges {
  readonly encoderFound: () => boolean;
  /** By reason. */
  readonly egressRefusals: () => Readonly<Record<string, number>>;
}

export const NO_GAUGES: RouterGauges = { encoderFound: () => true, egressRefusals: () => ({}) };

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
