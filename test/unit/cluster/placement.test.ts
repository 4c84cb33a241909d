import { describe, expect, it } from 'vitest';

import type { NodeRecord } from '../../../src/cluster/directory.js';
import { chooseNode, NodeSearch, type NodeSearchParameters } from '../../../src/cluster/placement.js';
import { fitsPlacement } from '../../../src/session/placement.js';
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

describe('the search for a node', () => {
  const eu = nodeRecord('eu', 1, { region: 'eu' });
  const euGpu = nodeRecord('eu-gpu', 1, { region: 'eu', gpu: true });
  const us = nodeRecord('us', 9, { region: 'us' });

  interface Searched {
    readonly names: string[];
    readonly exists: boolean;
    readonly beats: number;
  }

  /** Every node that it names, in order. */
  async function search(
    nodes: readonly NodeRecord[],
    parameters: Partial<Omit<NodeSearchParameters, 'membership'>>,
    /** What the last beat has left to know. */
    known = nodes,
  ): Promise<Searched> {
    let withRoom = known;
    let beats = 0;
    const looking = new NodeSearch({
      membership: {
        get withRoom() {
          return withRoom;
        },
        beat: () => {
          beats += 1;
          withRoom = nodes;
          return Promise.resolve();
        },
        draw: (need) => {
          const fit = nodes.filter((node) => fitsPlacement(node, need));
          return Promise.resolve({ withRoom: fit.filter(({ room }) => room > 0), exists: fit.length > 0 });
        },
      },
      ...{ need: {}, region: undefined, random: seededRandom(1) },
      ...parameters,
    });
    const names: string[] = [];
    for (let node = await looking.next(); node !== undefined; node = await looking.next()) {
      names.push(node.nodeId);
    }
    return { names, exists: looking.exists, beats };
  }

  it('names each node once, the one with more room first', async () => {
    expect(await search([eu, us], {})).toEqual({ names: ['us', 'eu'], exists: true, beats: 1 });
  });

  it('looks again where the last beat knew of none with room', async () => {
    expect((await search([eu], {}, [])).names).toEqual(['eu']);
    expect((await search([], {}, [])).beats).toBe(1);
  });

  it('prefers nodes of its own region to those with more room, and takes others after them', async () => {
    const { names } = await search([eu, euGpu, us], { region: 'eu' });
    expect(names.slice(0, 2).toSorted()).toEqual(['eu', 'eu-gpu']);
    expect(names.slice(2)).toEqual(['us']);
  });

  it('takes none that has not what is asked for', async () => {
    const nodes = [eu, euGpu, us];
    const own = { region: 'us' };
    expect((await search(nodes, { ...own, need: { gpu: true } })).names).toEqual(['eu-gpu']);
    expect((await search(nodes, { ...own, need: { region: 'eu', gpu: true } })).names).toEqual(['eu-gpu']);
    expect((await search(nodes, { ...own, need: { region: 'us' } })).names).toEqual(['us']);
  });

  it('tells that all which fit are full from that none fits', async () => {
    const nodes = [eu, { ...euGpu, room: 0 }, us];
    const full = await search(nodes, { need: { gpu: true } });
    expect([full.names, full.exists]).toEqual([[], true]);
    const none = await search(nodes, { region: 'us', need: { region: 'us', gpu: true } });
    expect([none.names, none.exists]).toEqual([[], false]);
  });

  it('goes by what is known of a node here', async () => {
    const current = (node: NodeRecord): NodeRecord => ({ ...node, room: node === us ? 0 : node.room });
    expect((await search([eu, us], { current })).names).toEqual(['eu']);
  });
});
