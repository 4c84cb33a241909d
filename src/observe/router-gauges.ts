/** What is known of the parts and not told by sessions. */
export interface RouterGauges {
  readonly encoderFound: () => boolean;
  /** By reason. */
  readonly egressRefusals: () => Readonly<Record<string, number>>;
}

export const NO_GAUGES: RouterGauges = { encoderFound: () => true, egressRefusals: () => ({}) };
