import { describe, expect, it } from 'vitest';

import {
  planRungs,
  type RungPlan,
  type RungPlanInput,
  type ViewerLink,
} from '../../../src/fanout/rung-planner.js';
import { seededRandom } from '../../helpers/seeded-random.js';

const SOURCE = { width: 1280, height: 720, frameRate: 30, bitrateBps: 4_000_000 } as const;

function plan(
  links: readonly ViewerLink[],
  more: Partial<RungPlanInput> = {},
  previous?: RungPlan,
): RungPlan {
  return planRungs({ nowMs: 0, source: SOURCE, links, ...more }, previous);
}

function link(id: string, estimateBps?: number, wishes: Partial<ViewerLink> = {}): ViewerLink {
  return { id, estimateBps, ...wishes };
}

function bitrateOf(made: RungPlan, id: string): number {
  return made.rungs[made.rungOf.get(id) ?? Infinity]?.bitrateBps ?? 0;
}

/** What a plan is for: the stated utility. */
function utility(made: RungPlan): number {
  return [...made.rungOf.keys()].reduce((sum, id) => sum + Math.log(1 + bitrateOf(made, id) / 250_000), 0);
}

/** Links of all kinds. */
function someLinks(random: () => number): ViewerLink[] {
  return Array.from({ length: 1 + Math.floor(random() * 8) }, (_, index) =>
    link(String(index), random() < 0.2 ? undefined : 50_000 * 200 ** random(), {
      ...(random() < 0.2 ? { maxHeight: 90 + Math.floor(random() * 1000) } : {}),
      ...(random() < 0.2 ? { maxBitrateBps: 100_000 * 100 ** random() } : {}),
    }),
  );
}

/** The plans of a second each, of one viewer. */
function follow(estimates: readonly (number | undefined)[]): RungPlan[] {
  let previous: RungPlan | undefined;
  return estimates.map((estimateBps, second) => {
    previous = plan([link('a', estimateBps)], { nowMs: second * 1000 }, previous);
    return previous;
  });
}

describe('the rungs of a session', () => {
  it('are the source itself for viewers whose links are not known, or good', () => {
    expect(plan([]).rungs).toEqual([SOURCE]);
    expect(plan([link('a'), link('b', 20_000_000)])).toMatchObject({
      rungs: [SOURCE],
      rungOf: new Map([
        ['a', 0],
        ['b', 0],
      ]),
    });
  });

  it('follow the link of a single viewer: bit rate first, then size, then frame rate', () => {
    const [wide, middle, narrow, least] = [2_500_000, 1_300_000, 700_000, 300_000].map(
      (estimateBps) => plan([link('a', estimateBps)], {}, plan([link('a', 9_000_000)])).rungs,
    );
    expect(wide).toMatchObject([{ width: 1280, height: 720, frameRate: 30 }]);
    expect(middle).toMatchObject([{ width: 960, height: 540, frameRate: 30 }]);
    expect(narrow).toMatchObject([{ width: 640, height: 360, frameRate: 30 }]);
    expect(least).toMatchObject([{ height: 240, frameRate: 15 }]);
  });

  it('keep the size for a link that was never found limited: an estimator begins low', () => {
    const first = plan([link('a', 1_000_000)]);
    const next = plan([link('a', 1_100_000)], { nowMs: 1000 }, first);
    for (const { rungs } of [first, next]) {
      expect(rungs).toMatchObject([{ width: 1280, height: 720, frameRate: 30 }]);
      expect(rungs[0]?.bitrateBps).toBeLessThan(1_000_000);
    }
    const fallen = plan([link('a', 600_000)], { nowMs: 2000 }, next);
    expect(fallen.rungs[0]?.height).toBeLessThan(720);
  });

  it('keep the size for a newcomer beside a viewer whose link has recovered', () => {
    let made = plan([link('a', 9_000_000)]);
    for (const [nowMs, estimateBps] of [
      [1000, 1_000_000],
      [2000, 9_000_000],
      [9000, 9_000_000],
    ] as const)
      made = plan([link('a', estimateBps)], { nowMs }, made);
    expect(bitrateOf(made, 'a')).toBe(SOURCE.bitrateBps);
    const joined = plan([link('a', 9_000_000), link('b', 1_000_000)], { nowMs: 10_000 }, made);
    expect(joined.rungs.map(({ height }) => height)).toEqual([720, 720]);
  });

  it('are small for a viewer that wishes for few bits, whatever is known of its link', () => {
    for (const estimateBps of [undefined, 1_000_000]) {
      const { rungs } = plan([link('a', estimateBps, { maxBitrateBps: 300_000 })]);
      expect(rungs[0]?.height).toBeLessThan(720);
    }
  });

  it('do not let one slow viewer lower the quality of the others', () => {
    const made = plan([link('a'), link('b'), link('c'), link('slow', 600_000)]);
    expect(made.rungs).toHaveLength(2);
    expect(bitrateOf(made, 'a')).toBe(SOURCE.bitrateBps);
    expect(bitrateOf(made, 'slow')).toBeGreaterThan(250_000);
  });

  it('are as many as the CPU has room for', () => {
    const links = [link('a'), link('b', 1_500_000), link('c', 500_000)];
    expect(plan(links).rungs).toHaveLength(3);
    expect(plan(links, { cpuCores: 0.2 }).rungs.length).toBeLessThan(3);
    expect(plan(links, { cpuCores: 0 }).rungs).toHaveLength(1);
    expect(plan(links, { maxRungs: 2 }).rungs).toHaveLength(2);
  });

  it('keep within the wishes of a viewer', () => {
    const made = plan([
      link('a'),
      link('low', undefined, { maxHeight: 360 }),
      link('few', undefined, { maxBitrateBps: 800_000 }),
    ]);
    expect(made.rungs[made.rungOf.get('low') ?? Infinity]?.height).toBeLessThanOrEqual(360);
    expect(bitrateOf(made, 'few')).toBeLessThanOrEqual(800_000);
  });

  it('go down at once and up after 3 s of proof, to what was proven', () => {
    const rates = follow([...Array<number>(2).fill(6e6), 1e6, ...Array<number>(6).fill(6e6)]).map(
      (made) => made.rungs[0]?.bitrateBps,
    );
    expect(rates.slice(0, 2)).toEqual([4e6, 4e6]);
    expect(rates[2]).toBeLessThan(900_000);
    expect(rates.slice(3, 6)).toEqual([rates[2], rates[2], rates[2]]);
    expect(rates.slice(6)).toEqual([4e6, 4e6, 4e6]);
  });

  it('believe an estimate that has only risen so far at once, after one that was not known too', () => {
    const rates = follow([undefined, 1e6, 2e6, 6e6, 1e6, 6e6]).map((made) => made.rungs[0]?.bitrateBps ?? 0);
    expect(rates[0]).toBe(4e6);
    expect(rates[1]).toBeLessThan(1e6);
    expect(rates[2]).toBeGreaterThan(1.3e6);
    expect(rates[3]).toBe(4e6);
    expect(rates.slice(4)).toEqual([rates[1], rates[1]]);
  });

  it('need more proof from a link that has proven wrong', () => {
    const up = Array<number>(4).fill(6e6);
    const plans = follow([1e6, ...up, 1e6, ...up, ...up]);
    const rates = plans.map((made) => made.rungs[0]?.bitrateBps ?? 0);
    expect(rates[4]).toBe(4e6);
    expect(rates.slice(5, 11).every((rate) => rate < 1e6)).toBe(true);
    expect(rates.at(-1)).toBe(4e6);
  });

  it('go up at once when more is wanted of a link that carried all that was wanted, and take that for no proof', () => {
    const wanted = [9e6, 5e5, 9e6, 5e5, 9e6];
    let previous: RungPlan | undefined;
    const rates = wanted.map((maxBitrateBps, second) => {
      previous = plan([link('a', 9e6, { maxBitrateBps })], { nowMs: second * 1000 }, previous);
      return bitrateOf(previous, 'a');
    });
    expect(rates).toEqual([4e6, rates[1], 4e6, rates[1], 4e6]);
    expect(rates[1]).toBeLessThanOrEqual(5e5);
    expect(previous?.proofs.get('a')).toMatchObject({ isRising: true, proofMs: 3000 });
    // A link that carries less than was wanted still has to prove that it carries more.
    previous = plan([link('a', 1e6)], { nowMs: 5000 }, previous);
    previous = plan([link('a', 1e6, { maxBitrateBps: 5e5 })], { nowMs: 6000 }, previous);
    previous = plan([link('a', 1e6, { maxBitrateBps: 9e6 })], { nowMs: 7000 }, previous);
    expect(bitrateOf(previous, 'a')).toBeLessThanOrEqual(0.9e6);
  });

  it.each(Array.from({ length: 30 }, (_, seed) => seed + 1))(
    'never exceed what a viewer can or wants to get, and never lose by a better link (seed %i)',
    (seed) => {
      const random = seededRandom(seed);
      for (let round = 0; round < 10; round++) {
        const links = someLinks(random);
        const made = plan(links);
        expect(made.rungs.length).toBeGreaterThan(0);
        expect(made.rungs.length).toBeLessThanOrEqual(3);
        for (const { width, height, frameRate, bitrateBps } of made.rungs) {
          expect([width % 2, height % 2]).toEqual([0, 0]);
          expect(bitrateBps).toBeLessThanOrEqual(SOURCE.bitrateBps);
          expect(frameRate).toBeLessThanOrEqual(SOURCE.frameRate);
        }
        for (const { id, estimateBps = Infinity, maxBitrateBps = Infinity, maxHeight = Infinity } of links) {
          expect(bitrateOf(made, id)).toBeLessThanOrEqual(Math.min(estimateBps, maxBitrateBps));
          const index = made.rungOf.get(id);
          if (index !== undefined)
            expect(made.rungs[index]?.height).toBeLessThanOrEqual(Math.max(64, maxHeight));
        }
        const better = links.map((each, index) =>
          index === 0 ? { ...each, estimateBps: 2 * (each.estimateBps ?? 1e9) } : each,
        );
        expect(utility(plan(better))).toBeGreaterThanOrEqual(utility(made) - 1e-9);
      }
    },
  );

  it.each([1, 2, 3, 4, 5])('do not oscillate on an estimate that wavers (seed %i)', (seed) => {
    const random = seededRandom(seed);
    const estimates = Array.from({ length: 300 }, () => 2_000_000 * (0.9 + 0.2 * random()));
    const rates = follow(estimates).map((made) => made.rungs[0]?.bitrateBps);
    const changes = rates.filter((rate, index) => index > 0 && rate !== rates[index - 1]);
    expect(changes.length).toBeLessThanOrEqual(8);
  });
});
