import type { PlacementRequest } from '../protocol/session-requests.js';
import type { NodeRecord } from './directory.js';
import type { Membership } from './membership.js';

/**
 * Chooses where a session is created: the one with more room of two that are drawn. Every node sees room as it was up to a beat ago;
 * if all took the best, they would all take the same one (M. Mitzenmacher, The Power of Two Choices, 2001).
 *
 * @param random - from 0 up to, not including, 1.
 * @returns undefined where none has room.
 */
export function chooseNode(nodes: readonly NodeRecord[], random: () => number): NodeRecord | undefined {
  const free = nodes.filter(({ room }) => room > 0);
  const first = free[Math.floor(random() * free.length)];
  const rest = free.filter((node) => node !== first);
  const second = rest[Math.floor(random() * rest.length)];
  if (first === undefined || second === undefined) return first;
  return second.room > first.room ? second : first;
}

export interface NodeSearchParameters {
  readonly membership: Pick<Membership, 'withRoom' | 'beat' | 'draw'>;
  /** What the session needs. */
  readonly need: PlacementRequest;
  /** Of the node that searches: a session that may be anywhere is created here while there is room. */
  readonly region: string | undefined;
  /** What is known of a node here. Default: what the directory says of it. */
  readonly current?: (node: NodeRecord) => NodeRecord;
  /** From 0 up to, not including, 1. */
  readonly random: () => number;
}

/** Looks for a node that takes one session. */
export class NodeSearch {
  readonly #parameters: NodeSearchParameters;
  readonly #tried = new Set<string>();
  #isFresh = false;
  #exists = false;

  constructor(parameters: NodeSearchParameters) {
    this.#parameters = parameters;
  }

  /** After {@link next}: some node has what the session needs, with room or without. */
  get exists(): boolean {
    return this.#exists;
  }

  /**
   * The node to try next; each is named once.
   *
   * @returns undefined where no other one that fits has room.
   * @throws StreamKitError `unavailable`.
   */
  async next(): Promise<NodeRecord | undefined> {
    const { need, region } = this.#parameters;
    const isHomely = need.region === undefined && region !== undefined;
    const node = (isHomely ? await this.#find({ ...need, region }) : undefined) ?? (await this.#find(need));
    if (node !== undefined) this.#tried.add(node.nodeId);
    return node;
  }

  async #find(need: PlacementRequest): Promise<NodeRecord | undefined> {
    const { membership } = this.#parameters;
    if (need.region !== undefined || need.gpu === true) {
      const { withRoom, exists } = await membership.draw(need);
      this.#exists ||= exists;
      return this.#choose(withRoom);
    }
    this.#exists = true;
    const node = this.#choose(membership.withRoom);
    if (node !== undefined || this.#isFresh) return node;
    // Room may have been made since the last look.
    this.#isFresh = true;
    await membership.beat();
    return this.#choose(membership.withRoom);
  }

  #choose(nodes: readonly NodeRecord[]): NodeRecord | undefined {
    const { current = (node) => node, random } = this.#parameters;
    return chooseNode(nodes.filter(({ nodeId }) => !this.#tried.has(nodeId)).map(current), random);
  }
}
