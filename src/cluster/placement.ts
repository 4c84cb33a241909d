import type { NodeRecord } from './directory.js';

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
