import { Counter, Gauge, type Registry } from 'prom-client';

/** One value of a metric, with its labels. */
export type Sample<Label extends string> = readonly [labels: Readonly<Record<Label, string>>, value: number];

export interface ScrapedMetric<Label extends string> {
  readonly name: string;
  readonly help: string;
  /** Default: none. */
  readonly labelNames?: readonly Label[];
  /** Called whenever the metrics are read. */
  readonly read: () => Iterable<Sample<Label>>;
}

/** A counter of what somebody else counts already: `read` gives the sums so far. */
export function scrapedCounter<Label extends string = never>(
  registry: Registry,
  { name, help, labelNames = [], read }: ScrapedMetric<Label>,
): void {
  new Counter<Label>({
    ...{ name, help, labelNames, registers: [registry] },
    collect() {
      this.reset();
      for (const [labels, value] of read()) this.inc({ ...labels }, value);
    },
  });
}

/** A gauge of what is known elsewhere. */
export function scrapedGauge<Label extends string = never>(
  registry: Registry,
  { name, help, labelNames = [], read }: ScrapedMetric<Label>,
): void {
  new Gauge<Label>({
    ...{ name, help, labelNames, registers: [registry] },
    collect() {
      this.reset();
      for (const [labels, value] of read()) this.set({ ...labels }, value);
    },
  });
}
