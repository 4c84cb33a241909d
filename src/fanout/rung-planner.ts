/** What is known and wished of one viewer's link. */
export interface ViewerLink {
  /** Stays the same from plan to plan. */
  readonly id: string;
  /** What the link carries, bits/s; undefined: not known, taken for as much as there is. */
  readonly estimateBps?: number | undefined;
  /** Wishes of the viewer; pixels and bits/s. Default none. */
  readonly maxHeight?: number | undefined;
  readonly maxBitrateBps?: number | undefined;
}

/** One encoding. */
export interface Rung {
  readonly width: number;
  readonly height: number;
  readonly frameRate: number;
  readonly bitrateBps: number;
}

export interface RungPlanInput {
  readonly nowMs: number;
  /** The captured picture, and the rate of an encoding that nobody limits. */
  readonly source: Rung;
  readonly links: readonly ViewerLink[];
  /** Most encodings. Default 3. */
  readonly maxRungs?: number;
  /** CPU cores that encoding may use. Default: as many as are needed. The first rung is encoded in any case. */
  readonly cpuCores?: number;
}

/** How far one link's estimate is trusted. */
interface Proof {
  /** The estimate as it counts, bits/s. */
  readonly provenBps: number;
  /** What was wanted of the link, bits/s: more than that cannot be proven. */
  readonly wantedBps: number;
  /** Since when it has been higher, ms, and the least that it was since. */
  readonly higherSinceMs: number | undefined;
  readonly leastBps: number;
  /** How long it must be higher, ms. */
  readonly proofMs: number;
  readonly raisedAtMs: number;
  /** When a raise last proved wrong. */
  readonly wrongAtMs: number;
  /** It has only risen so far: an estimator begins low, and what it finds is believed at once. */
  readonly isRising: boolean;
  /** There is an estimate. */
  readonly isKnown: boolean;
}

/** What is encoded, and who gets which of it. */
export interface RungPlan {
  /** Highest bit rate first; one at least. */
  readonly rungs: readonly Rung[];
  /** What encoding them takes, about. */
  readonly cpuCores: number;
  /** Index into `rungs` by the id of the link; undefined: the link does not carry the lowest one. */
  readonly rungOf: ReadonlyMap<string, number | undefined>;
  /** For the next plan. */
  readonly proofs: ReadonlyMap<string, Proof>;
}

/** libx264 `ultrafast` on one core: 720p in 4 ms. */
const CPU_SECONDS_PER_PIXEL = 0.004 / (1280 * 720);
const MAX_RUNGS = 3;
/** Sound and packet headers take the rest of a link. */
const PICTURE_SHARE = 0.9;
const SOUND_BPS = 140_000;
/** Bit rates are this factor apart, so that an estimate that wavers does not change the encoding all the time. */
const STEP = 2 ** 0.25;
const LEAST_BITRATE_BPS = 150_000;
/** A link counts as better once its estimate has been higher for so long, ms, and by this factor. */
const PROOF_MS = 3000;
const PROOF_MARGIN = 1.15;
/** One that proves wrong within this time, ms, needs twice the proof the next time, up to the longest. */
const DOUBT_MS = 10_000;
const MAX_PROOF_MS = 24_000;
/** An estimator begins at 1 Mbit/s: one that is clearly below has fallen, bits/s. */
const BEGIN_BPS = 800_000;
/** An estimate that falls below this share of what it was has found its link. */
const RISING_SHARE = 0.9;
/** It is believed as at first after this time, ms. */
const FORGIVEN_MS = 60_000;
/** What a rung is worth to a viewer grows with the logarithm of its rate over this. */
const UTILITY_BASE_BPS = 250_000;
/** Pictures are scaled down where an encoding of the full size would get less than this share of the source's bits. */
const SCALES = [
  { scale: 1, frameRateShare: 1, leastShare: 0.3 },
  { scale: 3 / 4, frameRateShare: 1, leastShare: 0.17 },
  { scale: 1 / 2, frameRateShare: 1, leastShare: 0.09 },
  { scale: 1 / 2, frameRateShare: 1 / 2, leastShare: 0.05 },
  { scale: 1 / 3, frameRateShare: 1 / 2, leastShare: 0 },
] as const;
/** Bits that a picture needs grow by this power of its sides: larger ones hold less that is new in each pixel. */
const SIZE_EXPONENT = 1.5;
/** Sides of a picture are multiples of two, and not shorter. */
const LEAST_SIDE = 64;

/**
 * What is to be encoded for these viewers: up to three rungs that maximise the sum over all viewers of
 * `ln(1 + bitrate / 250 kbit/s)`, which is 0 for one whose link does not carry the lowest rung. Down at once, up after
 * 3 s of proof.
 *
 * @param previous - the plan before; undefined: there is none, and every estimate is believed.
 */
export function planRungs(input: RungPlanInput, previous?: RungPlan): RungPlan {
  const proofs = new Map(
    input.links.map((link) => [link.id, proofOf(link, input, previous?.proofs.get(link.id))]),
  );
  const limits = input.links.map((link) => limitOf(link, input.source, proofs.get(link.id)));
  const groups = groupsOf(limits, input.source);
  let best: readonly Rung[] = [];
  let bestUtility = -1;
  for (const rungs of combinations(candidateRungs(groups, input.source), input)) {
    const utility = groups.reduce((sum, group) => sum + group.count * utilityOf(bestRung(rungs, group)), 0);
    // Smaller sets come first: another rung is worth it only for a viewer.
    if (utility > bestUtility + 1e-9) [best, bestUtility] = [rungs, utility];
  }
  const rungOf = new Map(
    limits.map((limit) => {
      const rung = bestRung(best, limit);
      return [limit.id, rung === undefined ? undefined : best.indexOf(rung)];
    }),
  );
  return { rungs: best, cpuCores: coresOf(best), rungOf, proofs };
}

/** What is left for pictures of a link that carries `estimateBps`, bits/s; not below 0. */
function affordableBps(estimateBps: number): number {
  return Math.max(0, estimateBps * PICTURE_SHARE - SOUND_BPS);
}

/** {@link planRungs}, as it is handed to who plans. */
export type PlanRungs = typeof planRungs;

interface Limit {
  readonly bitrateBps: number;
  readonly maxHeight: number;
  /** So few bits are wished for, or all that the link was found to carry. */
  readonly isFound: boolean;
}

/** An estimator begins low, and learns nothing from a page at rest: until then a link's estimate is no limit that is found. */
function limitOf(
  { id, maxHeight = Infinity, maxBitrateBps = Infinity }: ViewerLink,
  source: Rung,
  proof: Proof | undefined,
): Limit & { readonly id: string } {
  const provenBps = proof?.provenBps ?? source.bitrateBps;
  const wantedBps = Math.min(maxBitrateBps, source.bitrateBps);
  const isTold = proof?.isRising === false || provenBps < affordableBps(BEGIN_BPS);
  const isFound = wantedBps < source.bitrateBps || (provenBps < wantedBps && isTold);
  return { id, bitrateBps: provenBps, maxHeight, isFound };
}

/** Viewers that want the same. */
interface Group extends Limit {
  count: number;
}

/** Heights are taken for the next of these shares of the source's that is not above. */
const HEIGHT_SHARES = [1, 3 / 4, 1 / 2, 1 / 3, 1 / 4] as const;
/** Most rungs among which the best are looked for; beyond it every second rate is left out. */
const MAX_CANDIDATES = 48;

function groupsOf(limits: readonly Limit[], source: Rung): Group[] {
  const groups = new Map<string, Group>();
  for (const limit of limits) {
    const bitrateBps = stepBelow(limit.bitrateBps, source.bitrateBps);
    const share = HEIGHT_SHARES.find((each) => source.height * each <= limit.maxHeight);
    const maxHeight = share === undefined ? limit.maxHeight : source.height * share;
    const { isFound } = limit;
    const key = `${bitrateBps} ${maxHeight} ${isFound}`;
    const group = groups.get(key) ?? {
      bitrateBps: Math.min(limit.bitrateBps, bitrateBps),
      ...{ maxHeight, isFound, count: 0 },
    };
    group.count += 1;
    groups.set(key, group);
  }
  return [...groups.values()];
}

function proofOf(
  { estimateBps, maxBitrateBps }: ViewerLink,
  { source, nowMs }: RungPlanInput,
  before: Proof | undefined,
): Proof {
  const wantedBps = Math.min(maxBitrateBps ?? Infinity, source.bitrateBps);
  const affordable = Math.min(affordableBps(estimateBps ?? Infinity), wantedBps);
  const isKnown = estimateBps !== undefined;
  // The first estimate of a link that was not known is where it begins.
  if (before === undefined || (isKnown && !before.isKnown)) {
    return {
      isKnown,
      provenBps: affordable,
      wantedBps,
      higherSinceMs: undefined,
      leastBps: Infinity,
      proofMs: PROOF_MS,
      raisedAtMs: -Infinity,
      wrongAtMs: -Infinity,
      isRising: true,
    };
  }
  const previous = before.wantedBps === wantedBps ? before : wantingOther(before, wantedBps, affordable);
  const { provenBps, raisedAtMs, wrongAtMs } = previous;
  const proofMs = nowMs - wrongAtMs > FORGIVEN_MS ? PROOF_MS : previous.proofMs;
  const idle = { ...previous, higherSinceMs: undefined, leastBps: Infinity };
  if (previous.isRising && affordable > provenBps)
    return { ...idle, provenBps: affordable, raisedAtMs: nowMs };
  const isRising = previous.isRising && affordable > provenBps * RISING_SHARE;
  if (affordable < provenBps) {
    const wasWrong = nowMs - raisedAtMs < DOUBT_MS;
    if (!wasWrong) return { ...idle, provenBps: affordable, isRising };
    // It counts as wrong once.
    const doubted = { proofMs: Math.min(MAX_PROOF_MS, proofMs * 2), raisedAtMs: -Infinity, wrongAtMs: nowMs };
    return { ...idle, provenBps: affordable, isRising, ...doubted };
  }
  // All that is wanted is worth going back to, however little was missing.
  if (affordable < Math.min(provenBps * PROOF_MARGIN, wantedBps) || affordable === provenBps) return idle;
  const higherSinceMs = previous.higherSinceMs ?? nowMs;
  const leastBps = Math.min(previous.leastBps, affordable);
  if (nowMs - higherSinceMs < proofMs) return { ...previous, higherSinceMs, leastBps };
  return { ...idle, provenBps: leastBps, raisedAtMs: nowMs };
}

/** That more or less is wanted says nothing of the link: one that carried all that was wanted is believed to carry more. */
function wantingOther(before: Proof, wantedBps: number, affordable: number): Proof {
  const hadAll = before.provenBps >= before.wantedBps;
  return { ...before, wantedBps, provenBps: hadAll ? affordable : Math.min(before.provenBps, wantedBps) };
}

/** Every rate with every height that a viewer could have, highest first. */
function candidateRungs(groups: readonly Group[], source: Rung): Rung[] {
  const leastBps = Math.min(LEAST_BITRATE_BPS, source.bitrateBps);
  const rateOf = ({ bitrateBps }: Group): number => Math.max(leastBps, bitrateBps);
  const rates = new Set(groups.map(rateOf));
  const foundRates = new Set(groups.filter(({ isFound }) => isFound).map(rateOf));
  const heights = new Set(groups.map(({ maxHeight }) => maxHeight));
  if (groups.length === 0) return [rungAt(source.bitrateBps, Infinity, source, false)];
  let steps = [...rates].sort((a, b) => b - a);
  while (steps.length * heights.size > MAX_CANDIDATES && steps.length > 1) {
    steps = steps.filter((_, index) => index % 2 === 1 || index === steps.length - 1);
  }
  const byKey = new Map<string, Rung>();
  for (const bitrateBps of steps) {
    for (const maxHeight of heights) {
      const rung = rungAt(bitrateBps, maxHeight, source, foundRates.has(bitrateBps));
      byKey.set(`${rung.height} ${rung.bitrateBps}`, rung);
    }
  }
  const candidates = [...byKey.values()].sort((a, b) => b.bitrateBps - a.bitrateBps || b.height - a.height);
  return candidates.slice(0, MAX_CANDIDATES);
}

/** The highest of the source's rate over powers of {@link STEP} that is not above. */
function stepBelow(bitrateBps: number, sourceBps: number): number {
  const steps = Math.ceil(Math.log(sourceBps / Math.max(1, bitrateBps)) / Math.log(STEP) - 1e-9);
  return Math.max(Math.min(LEAST_BITRATE_BPS, sourceBps), Math.floor(sourceBps / STEP ** Math.max(0, steps)));
}

/** @param isFound - a viewer gets no more for good: the picture is to be of a size that looks well at the rate. */
function rungAt(bitrateBps: number, maxHeight: number, source: Rung, isFound: boolean): Rung {
  const share = isFound ? bitrateBps / source.bitrateBps : 1;
  const { scale, frameRateShare } = SCALES.find(({ leastShare }) => share >= leastShare) ?? SCALES[0];
  const factor = Math.min(1, maxHeight / source.height, scale);
  const side = (pixels: number): number =>
    factor >= 1 ? pixels : Math.min(pixels, Math.max(LEAST_SIDE, Math.floor((pixels * factor) / 2) * 2));
  return {
    width: side(source.width),
    height: side(source.height),
    frameRate: Math.max(1, Math.round(source.frameRate * frameRateShare)),
    // A picture that is small because the viewer wants it so needs no more bits than its size.
    bitrateBps: Math.min(bitrateBps, Math.floor(source.bitrateBps * factor ** SIZE_EXPONENT)),
  };
}

/** All sets of candidates that there may be and that the CPU has room for, smaller sets first. */
function* combinations(candidates: readonly Rung[], input: RungPlanInput): Generator<readonly Rung[]> {
  const { maxRungs = MAX_RUNGS, cpuCores = Infinity } = input;
  const fits = (rungs: readonly Rung[]): boolean => rungs.length === 1 || coresOf(rungs) <= cpuCores;
  let sets: readonly (readonly Rung[])[] = [[]];
  for (let size = 1; size <= Math.min(MAX_RUNGS, Math.max(1, maxRungs)); size++) {
    sets = sets.flatMap((set) => {
      const last = set.at(-1);
      const from = last === undefined ? 0 : candidates.indexOf(last) + 1;
      return candidates.slice(from).map((rung) => [...set, rung]);
    });
    for (const set of sets) if (fits(set)) yield set;
  }
}

/** CPU cores that encoding these takes, about. */
function coresOf(rungs: readonly Rung[]): number {
  const pixelsPerSecond = rungs.reduce((sum, rung) => sum + rung.width * rung.height * rung.frameRate, 0);
  return pixelsPerSecond * CPU_SECONDS_PER_PIXEL;
}

/** The one with the highest rate that the viewer's link carries and that is not too large. */
function bestRung(rungs: readonly Rung[], { bitrateBps, maxHeight }: Limit): Rung | undefined {
  return rungs.find(
    (rung) => rung.bitrateBps <= bitrateBps && rung.height <= Math.max(maxHeight, LEAST_SIDE),
  );
}

function utilityOf(rung: Rung | undefined): number {
  return rung === undefined ? 0 : Math.log(1 + rung.bitrateBps / UTILITY_BASE_BPS);
}
