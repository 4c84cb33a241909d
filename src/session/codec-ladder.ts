import type { RungDiagnostics } from '../protocol/session-diagnostics.js';
import type { Consumer, MediaTransport } from '../fanout/media-plane.js';
import type { Rung, RungPlan, ViewerLink } from '../fanout/rung-planner.js';
import type { ConnectedMedia } from '../peer/viewer-peer.js';
import type { VideoCodec } from '../render/encode/encoded-frame.js';
import { type RungIndex, SLIDES_RUNG } from '../protocol/video-stream.js';
import type { Render } from '../render/render.js';
import { EncodingStep, type EncodingStepListener } from './encoding-step.js';
import type { Need } from './on-demand.js';
import { RungFollower } from './rung-follower.js';
import { rungReason } from './rung-reason.js';
import type { SessionParts } from './session-parts.js';
import { scaleOfLayer } from './simulcast-layers.js';
import { lowestOf, type ViewerLimits } from './viewer-limits.js';

export interface CodecLadderParameters {
  readonly codec: VideoCodec;
  readonly render: Render;
  readonly parts: SessionParts;
  readonly replayOnJoin: boolean;
  readonly pauseGraceMs: number;
  /** Most encodings at a time, that of {@link SLIDES_RUNG} not counted. */
  readonly maxRungs: number;
  /** What is captured, and the rate of an encoding that nobody limits. */
  readonly source: () => Rung;
}

/** What one viewer gets of a ladder: one encoding at a time, or one layer of a simulcast. */
export interface LadderShare {
  /** Of a layer. */
  readonly rid: string | undefined;
  readonly consumer: Consumer;
  /** False: a layer that is not worth sending now. */
  readonly isSent: boolean;
  /** What runs for it. */
  readonly need: Need;
  /** While off nothing is sent. Starts on. */
  setActive(active: boolean): void;
  diagnostics(): RungDiagnostics;
  /** It gets no more than this from now on. */
  setLimits(limits: ViewerLimits): void;
  /** The consumers of the viewer are closed, those of all its layers. Idempotent; `need` is released by whoever holds it, before or after. */
  close(): void;
}

/** What one encoding is to have, and how many viewers get it. */
export interface RungState extends Rung {
  readonly viewers: number;
}

interface LadderViewer {
  readonly transport: MediaTransport;
  readonly onFirstFrame: () => void;
  limits: ViewerLimits;
  /** Share of the sides of the picture that it gets at most: less than 1 for the lower layers of a simulcast. */
  readonly scale: number;
  /** All layers of its simulcast, the best first; itself where there is none. */
  readonly layers: readonly LadderViewer[];
  /** False: a layer that gets no other picture than the one below, or none that is worth it. */
  isSent: boolean;
  isActive: boolean;
  isShown: boolean;
  consumer: Consumer | undefined;
  /** What it is sent. */
  step: EncodingStep;
  /** What it goes over to at the next keyframe. */
  next: EncodingStep | undefined;
  /** How often `need` is held. */
  holds: number;
}

/** How long an encoding other than the first goes on after its last viewer, ms. */
const STEP_GRACE_MS = 1_000;
/** Of the encoding for those whose link carries nothing else. */
const SLIDES = { bitrateBps: 60_000, frameRate: 1, scale: 1 / 3 };
/** A link that carries less than this per bit of picture, and beside it, is looked at at once. */
const LINK_PER_PICTURE = 1.15;
const LINK_BESIDE_BPS = 160_000;
/** How far an encoding that does not run is from any rung: farther than any that runs. */
const IDLE_DISTANCE = 100;

/**
 * The encodings of a session's picture to one codec and who is sent which of them: the first one always, others while a
 * viewer's link or wish asks for them.
 */
export class CodecLadder {
  readonly #parameters: CodecLadderParameters;
  readonly #listener: EncodingStepListener;
  readonly #steps = new Map<RungIndex, EncodingStep>();
  readonly #viewers = new Map<number, LadderViewer>();
  /** Those who get the first encoding's frames outside of the media plane, with what their links carry, bits/s. */
  readonly #sources = new Map<object, readonly (number | undefined)[]>();
  readonly #follower: RungFollower;
  #plan: RungPlan | undefined;
  #stepOf: readonly EncodingStep[] = [];
  #viewersAttached = 0;

  constructor(parameters: CodecLadderParameters, listener: EncodingStepListener) {
    this.#parameters = parameters;
    this.#listener = listener;
    const { parts, maxRungs, source } = parameters;
    this.#step(0);
    this.#follower = new RungFollower({
      ...{ clock: parts.clock, planRungs: parts.planRungs, cpuRoom: parts.cpuRoom, maxRungs, source },
      links: () => this.#links(),
      apply: (plan) => this.#apply(plan),
    });
  }

  /** The encoding that recordings and WebSocket viewers get. */
  get first(): EncodingStep {
    return this.#step(0);
  }

  /** Those that were ever needed. */
  get steps(): readonly EncodingStep[] {
    return [...this.#steps.values()];
  }

  get isRunning(): boolean {
    return this.steps.some(({ encoding }) => encoding.running);
  }

  /** What is encoded now, highest bit rate first. */
  get rungs(): RungState[] {
    const running = this.steps.filter(({ encoding }) => encoding.running);
    const viewersOf = (step: EncodingStep): number =>
      [...this.#viewers.values()].filter((viewer) => viewer.step === step && viewer.isSent).length;
    return running
      .map((step) => ({ ...step.target, viewers: viewersOf(step) }))
      .sort((a, b) => b.bitrateBps - a.bitrateBps);
  }

  stepAt(rung: RungIndex): EncodingStep | undefined {
    return this.#steps.get(rung);
  }

  /**
   * Begins to send to a viewer.
   *
   * @param onFirstFrame - the first picture that it can decode is on its way; at most once.
   * @returns one share, or one for each layer, the best first.
   * @throws Error as `MediaTransport.consume`.
   */
  attach(
    { transport, video, layers }: Pick<ConnectedMedia, 'transport' | 'video' | 'layers'>,
    limits: ViewerLimits,
    onFirstFrame: () => void,
  ): readonly [LadderShare, ...LadderShare[]] {
    let isShown = false;
    const onShown = (): void => {
      if (isShown) return;
      isShown = true;
      onFirstFrame();
    };
    const viewers: LadderViewer[] = [];
    const made = (layers ?? [video]).map((parameters, index) => {
      const viewer: LadderViewer = {
        ...{ transport, limits, onFirstFrame: onShown, scale: scaleOfLayer(index), layers: viewers },
        ...{ isSent: true, isActive: true, isShown: false, next: undefined, holds: 0 },
        consumer: undefined,
        step: this.first,
      };
      viewers.push(viewer);
      const number = (this.#viewersAttached += 1);
      this.#viewers.set(number, viewer);
      return { number, viewer, parameters };
    });
    this.#follower.update();
    const close = (): void => {
      if (made.filter(({ number }) => this.#viewers.delete(number)).length === 0) return;
      transport.onEstimate = undefined;
      this.#follower.update();
    };
    try {
      const shares = made.map((each) => {
        const { number, viewer, parameters } = each;
        const consumer = transport.consume(viewer.step.producer, parameters);
        viewer.consumer = consumer;
        if (!viewer.isSent) consumer.pause();
        return this.#shareOf(number, viewer, consumer, parameters.rid, close);
      });
      transport.onEstimate = (bitrateBps) => this.#onEstimate(viewers, bitrateBps);
      for (const viewer of viewers) if (viewer.step.replays && viewer.isSent) this.#show(viewer);
      return shares as [LadderShare, ...LadderShare[]];
    } catch (thrown) {
      for (const { viewer } of made) viewer.consumer?.close();
      close();
      throw thrown;
    }
  }

  #shareOf(
    number: number,
    viewer: LadderViewer,
    consumer: Consumer,
    rid: string | undefined,
    close: () => void,
  ): LadderShare {
    return {
      ...{ rid, consumer, close },
      get isSent() {
        return viewer.isSent;
      },
      need: { hold: () => this.#hold(viewer), release: () => this.#release(viewer) },
      setActive: (active) => {
        viewer.isActive = active;
        if (active && viewer.isSent) consumer.resume();
        else consumer.pause();
      },
      diagnostics: () => this.#diagnose(number, viewer),
      setLimits: (changed) => {
        viewer.limits = changed;
        this.#follower.onLimits();
      },
    };
  }

  /** Somebody takes the first encoding's frames over links that carry this; undefined: as much as there is. */
  setSource(source: object, estimatesBps: readonly (number | undefined)[]): void {
    this.#sources.set(source, estimatesBps);
    this.#follower.update();
  }

  removeSource(source: object): void {
    if (this.#sources.delete(source)) this.#follower.update();
  }

  /** What is captured, or its bit rate, has changed. */
  update(): void {
    this.#follower.update();
  }

  /** The media plane was handed a keyframe of the step: whoever waited for one can decode it. */
  onKeyframe(rung: RungIndex): void {
    const step = this.#steps.get(rung);
    step?.onKeyframe();
    for (const viewer of this.#viewers.values()) {
      if (viewer.isSent && (viewer.step === step || viewer.next === step)) this.#show(viewer);
    }
  }

  /** Closes producers, and their consumers with them. Idempotent. */
  close(): void {
    this.#follower.close();
    for (const step of this.#steps.values()) step.close();
  }

  #onEstimate(viewers: readonly LadderViewer[], bitrateBps: number): void {
    if (bitrateBps < neededBps(viewers) + LINK_BESIDE_BPS) this.#follower.onWorse();
    else this.#follower.onBetter();
  }

  #show(viewer: LadderViewer): void {
    if (viewer.isShown) return;
    viewer.isShown = true;
    viewer.onFirstFrame();
  }

  #step(rung: RungIndex): EncodingStep {
    const existing = this.#steps.get(rung);
    if (existing !== undefined) return existing;
    const { codec, render, parts, replayOnJoin, pauseGraceMs, source } = this.#parameters;
    const graceMs = rung === 0 ? pauseGraceMs : Math.min(pauseGraceMs, STEP_GRACE_MS);
    const target = rung === SLIDES_RUNG ? slidesOf(source()) : source();
    const step = new EncodingStep(
      { codec, rung, render, parts, replayOnJoin, graceMs, target, source },
      this.#listener,
    );
    this.#steps.set(rung, step);
    return step;
  }

  #links(): ViewerLink[] {
    const ofSources = [...this.#sources.values()].flatMap((bitratesBps, source) =>
      bitratesBps.map((estimateBps, index) => ({ id: `source ${source} ${index}`, estimateBps })),
    );
    const ofViewers = [...this.#viewers].map(([number, viewer]) => ({
      ...{ id: `viewer ${number}`, ...lowestOf(this.#limitsOf(viewer)) },
      estimateBps: estimateOf(viewer),
    }));
    return [...ofViewers, ...ofSources];
  }

  #apply(plan: RungPlan): void {
    this.#plan = plan;
    this.#stepOf = this.#matched(plan);
    const source = this.#parameters.source();
    for (const [index, step] of this.#stepOf.entries()) {
      const { bitrateBps, ...format } = plan.rungs[index] ?? step.target;
      // What is recorded follows the links in its bit rate alone.
      const isRecorded = step.rung === 0 && this.#sources.size > 0;
      step.setTarget(isRecorded ? { ...source, bitrateBps } : { ...format, bitrateBps });
    }
    this.#steps.get(SLIDES_RUNG)?.setTarget(slidesOf(source));
    for (const [number, viewer] of this.#viewers) this.#moveTo(viewer, this.#stepFor(number));
    for (const viewer of this.#viewers.values()) this.#setSent(viewer, isWorthSending(viewer));
  }

  /** A lower layer is as one whose viewer wishes for no more lines. */
  #limitsOf({ scale, limits }: LadderViewer): ViewerLimits {
    if (scale === 1) return limits;
    const { height } = this.#parameters.source();
    const maxHeight = Math.floor(Math.min(lowestOf(limits).maxHeight, height) * scale);
    return { ...limits, wishes: { ...limits.wishes, maxHeight } };
  }

  #setSent(viewer: LadderViewer, isSent: boolean): void {
    if (isSent === viewer.isSent) return;
    const { consumer, step, next, holds, isActive } = viewer;
    viewer.isSent = isSent;
    for (let held = 0; held < holds; held += 1) {
      for (const each of next === undefined ? [step] : [step, next]) {
        if (isSent) each.encoding.hold();
        else each.encoding.release();
      }
    }
    if (isSent && isActive) consumer?.resume();
    else consumer?.pause();
  }

  #stepFor(viewer: number): EncodingStep {
    const index = this.#plan?.rungOf.get(`viewer ${viewer}`);
    return (index === undefined ? undefined : this.#stepOf[index]) ?? this.#step(SLIDES_RUNG);
  }

  /** An encoding for each rung, the nearest pair first, so that few viewers have to move. */
  #matched(plan: RungPlan): EncodingStep[] {
    const matched: EncodingStep[] = [];
    const free = Array.from({ length: this.#parameters.maxRungs }, (_, rung) => rung as RungIndex);
    const take = (index: number, rung: RungIndex): void => {
      matched[index] = this.#step(rung);
      free.splice(free.indexOf(rung), 1);
    };
    const ofSources = [...plan.rungOf].filter(([id]) => id.startsWith('source')).map(([, index]) => index);
    // What is recorded keeps its encoding: the best one that anybody who takes frames is to get.
    const kept =
      ofSources.length === 0 ? undefined : Math.min(...ofSources.map((index) => index ?? Infinity));
    if (kept !== undefined) take(Math.min(kept, plan.rungs.length - 1), 0);
    for (;;) {
      const pairs = plan.rungs.flatMap((rung, index) =>
        matched[index] !== undefined
          ? []
          : free.map((at) => ({ index, at, distance: this.#distance(at, rung) })),
      );
      const [nearest] = pairs.sort((a, b) => a.distance - b.distance || a.at - b.at);
      if (nearest === undefined) return matched;
      take(nearest.index, nearest.at);
    }
  }

  #distance(index: RungIndex, rung: Rung): number {
    const step = this.#steps.get(index);
    if (step?.encoding.running !== true) return IDLE_DISTANCE;
    const { bitrateBps, height } = step.target;
    return Math.abs(Math.log(bitrateBps / rung.bitrateBps)) + (height === rung.height ? 0 : 1);
  }

  #moveTo(viewer: LadderViewer, step: EncodingStep): void {
    const { consumer, next } = viewer;
    if (consumer === undefined) {
      viewer.step = step;
      return;
    }
    if (step === (next ?? viewer.step)) return;
    viewer.next = undefined;
    if (step === viewer.step) {
      consumer.switchTo(step.producer);
    } else {
      viewer.next = step;
      for (let held = 0; held < holdsOf(viewer); held += 1) step.encoding.hold();
      consumer.switchTo(step.producer, () => this.#arrived(viewer, step));
    }
    for (let held = 0; held < holdsOf(viewer); held += 1) next?.encoding.release();
  }

  #arrived(viewer: LadderViewer, step: EncodingStep): void {
    if (viewer.next !== step) return;
    const left = viewer.step;
    viewer.step = step;
    viewer.next = undefined;
    for (let held = 0; held < holdsOf(viewer); held += 1) left.encoding.release();
  }

  #hold(viewer: LadderViewer): void {
    viewer.holds += 1;
    if (!viewer.isSent) return;
    viewer.step.encoding.hold();
    viewer.next?.encoding.hold();
  }

  #release(viewer: LadderViewer): void {
    viewer.holds -= 1;
    if (!viewer.isSent) return;
    viewer.step.encoding.release();
    viewer.next?.encoding.release();
  }

  #diagnose(number: number, viewer: LadderViewer): RungDiagnostics {
    const { step, transport } = viewer;
    const limits = this.#limitsOf(viewer);
    const estimateBps = transport.estimatedBitrateBps;
    const provenBps = this.#plan?.proofs.get(`viewer ${number}`)?.provenBps ?? Infinity;
    return {
      ...step.target,
      reason: rungReason(step.target, this.#parameters.source(), { provenBps, ...limits }),
      estimatedBitrateBps: estimateBps === undefined ? null : Math.round(estimateBps),
    };
  }
}

function holdsOf({ holds, isSent }: LadderViewer): number {
  return isSent ? holds : 0;
}

/** What a link must carry for these, bits/s. */
function neededBps(viewers: readonly LadderViewer[]): number {
  const sent = viewers.filter(({ isSent }) => isSent);
  return sent.reduce((sum, { step, next }) => sum + (next ?? step).target.bitrateBps, 0) * LINK_PER_PICTURE;
}

/** What is left of the viewer's link for it, bits/s: lower layers go first. */
function estimateOf(viewer: LadderViewer): number | undefined {
  const estimateBps = viewer.transport.estimatedBitrateBps;
  return estimateBps === undefined ? undefined : Math.max(0, estimateBps - neededBps(layersBelow(viewer)));
}

function layersBelow(viewer: LadderViewer): readonly LadderViewer[] {
  return viewer.layers.slice(viewer.layers.indexOf(viewer) + 1);
}

/** A layer is left out where one below gets the same encoding, and slides where another one gets more. */
function isWorthSending(viewer: LadderViewer): boolean {
  const stepOf = ({ step, next }: LadderViewer): EncodingStep => next ?? step;
  const own = stepOf(viewer);
  if (layersBelow(viewer).some((each) => stepOf(each) === own)) return false;
  return own.rung !== SLIDES_RUNG || viewer.layers.every((each) => stepOf(each) === own);
}

function slidesOf({ width, height }: Rung): Rung {
  const side = (pixels: number): number => Math.max(2, Math.floor((pixels * SLIDES.scale) / 2) * 2);
  return {
    width: side(width),
    height: side(height),
    frameRate: SLIDES.frameRate,
    bitrateBps: SLIDES.bitrateBps,
  };
}
