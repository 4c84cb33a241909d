/** What a client can be told of a session. */
export type Told =
  /** It lives. `count` is what its page has counted to, if that is known. */
  | { readonly kind: 'alive'; readonly count?: number | undefined }
  /** Its node was lost. */
  | { readonly kind: 'lost' }
  /** There is no such session. */
  | { readonly kind: 'unknown' }
  /** It was ended by a request that was answered so. */
  | { readonly kind: 'ended' };

interface Entry {
  /** When the first client was told of its end, by this process's clock. */
  endedAtMs: number;
  end: 'lost' | 'unknown' | 'ended' | undefined;
  /** A request to end it was sent: nobody can say whether it was heard. */
  mayHaveEnded: boolean;
  /** Highest count that a client was told, and when. */
  readonly counts: { readonly count: number; readonly atMs: number }[];
  /** Run of a node that has it. */
  owner: string | undefined;
}

export interface SessionJournalParameters {
  /** Whether the sessions of this run of a node may have been lost, by what was done to it. Undefined: nobody knows which one it is. */
  readonly mayBeLost: (owner: string | undefined) => boolean;
}

/** All that clients of a cluster were told of its sessions, checked against itself. */
export class SessionJournal {
  readonly #parameters: SessionJournalParameters;
  readonly #entries = new Map<string, Entry>();
  readonly violations: string[] = [];
  told = 0;

  constructor(parameters: SessionJournalParameters) {
    this.#parameters = parameters;
  }

  /** Sessions of which no client was told that they have ended. */
  get living(): string[] {
    return [...this.#entries].flatMap(([id, { end, mayHaveEnded }]) =>
      end === undefined && !mayHaveEnded ? [id] : [],
    );
  }

  get ids(): string[] {
    return [...this.#entries.keys()];
  }

  /** Sessions of which a client was told that they have ended. */
  get ended(): string[] {
    return [...this.#entries].flatMap(([id, { end }]) => (end === undefined ? [] : [id]));
  }

  /** A client was told that a session was created. */
  created(id: string): void {
    if (this.#entries.has(id)) return;
    this.#entries.set(id, {
      ...{ endedAtMs: Infinity, end: undefined, mayHaveEnded: false, counts: [], owner: undefined },
    });
  }

  /** A client is about to end it. */
  ending(id: string): void {
    const entry = this.#entries.get(id);
    if (entry !== undefined) entry.mayHaveEnded = true;
  }

  /** A run of a node has it. */
  owned(id: string, owner: string): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    if (entry.owner !== undefined && entry.owner !== owner) {
      this.#violated(id, `has two owners: ${entry.owner} and ${owner}`);
    }
    entry.owner = owner;
  }

  /** @param askedAtMs - when the request was sent that was answered so now. */
  answered(id: string, askedAtMs: number, told: Told, by: string): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    this.told += 1;
    const nowMs = performance.now();
    if (told.kind === 'alive') {
      if (entry.endedAtMs < askedAtMs) {
        this.#violated(
          id,
          `is alive for ${by}, ${Math.round(nowMs - entry.endedAtMs)} ms after ${entry.end}`,
        );
      }
      const { count } = told;
      if (count === undefined) return;
      const before = entry.counts.findLast(({ atMs }) => atMs < askedAtMs);
      if (before !== undefined && before.count > count) {
        this.#violated(id, `was ${before.count} and is ${count} for ${by}`);
      }
      if ((entry.counts.at(-1)?.count ?? -1) < count) entry.counts.push({ count, atMs: nowMs });
      if (entry.counts.length > 1000) entry.counts.splice(0, 500);
      return;
    }
    const isFirst = entry.end === undefined;
    if (told.kind === 'ended') entry.mayHaveEnded = true;
    else if (isFirst && !entry.mayHaveEnded && !this.#parameters.mayBeLost(entry.owner)) {
      this.#violated(id, `is ${told.kind} for ${by} though nothing happened to ${entry.owner}`);
    }
    entry.end ??= told.kind;
    entry.endedAtMs = Math.min(entry.endedAtMs, nowMs);
  }

  violate(sentence: string): void {
    this.violations.push(sentence);
  }

  #violated(id: string, what: string): void {
    this.violations.push(`${id.slice(0, 8)} ${what}`);
  }
}
