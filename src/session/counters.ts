/**
 * What somebody else counts, added up when it is asked for: that of what is open, and the last ones of what
 * was closed. So the sums never go back.
 */
export class Counters<Name extends string> {
  readonly #open = new Set<() => Readonly<Record<Name, number>>>();
  readonly #closed: Record<Name, number>;

  readonly #parent: Counters<Name> | undefined;

  /** @param parent - counts all of it as well. */
  constructor(names: readonly Name[], parent?: Counters<Name>) {
    this.#parent = parent;
    this.#closed = Object.fromEntries(names.map((name) => [name, 0])) as Record<Name, number>;
  }

  /** How many are open. */
  get size(): number {
    return this.#open.size;
  }

  /**
   * @param read - called whenever the sums are asked for, and once more at the end.
   * @returns closes it; idempotent.
   */
  open(read: () => Readonly<Record<Name, number>>): () => void {
    this.#open.add(read);
    const closeInParent = this.#parent?.open(read);
    return () => {
      if (this.#open.delete(read)) add(this.#closed, read());
      closeInParent?.();
    };
  }

  /** The sums as they are now. */
  read(): Record<Name, number> {
    const sums = { ...this.#closed };
    for (const read of this.#open) add(sums, read());
    return sums;
  }
}

function add<Name extends string>(
  sums: Record<Name, number>,
  counters: Readonly<Record<Name, number>>,
): void {
  for (const name of Object.keys(sums) as Name[]) sums[name] += counters[name];
}
