import { describe, expect, it } from 'vitest';

import { chooseNode } from '../../../src/cluster/placement.js';
import { nodeRecord } from '../../helpers/directory-contract.js';
import { seededRandom } from '../../helpers/seeded-random.js';

describe('where a session is created', () => {
  const next = seededRandom(1);

  it('is a node that has room', () => {
    const [full, free] = [nodeRecord('full', 0), nodeRecord('free', 1)];
    for (let turn = 0; turn < 20; turn++) expect(chooseNode([full, free], next)).toBe(free);
    expect(chooseNode([full], next)).toBeUndefined();
    expect(chooseNode([], next)).toBeUndefined();
  });

  it('is the one with more room of two', () => {
    const [less, more] = [nodeRecord('less', 1), nodeRecord('more', 2)];
    for (let turn = 0; turn < 20; turn++) expect(chooseNode([less, more], next)).toBe(more);
  });

  it('is spread over nodes that see each other late', () => {
    const nodes = Array.from({ length: 10 }, (_, index) => nodeRecord(`node-${index}`, 100));
    const chosen = Array.from({ length: 1000 }, () => chooseNode(nodes, next)?.nodeId);
    for (const { nodeId } of nodes) expect(chosen.filter((one) => one === nodeId).length).toBeGreaterThan(50);
  });
});
