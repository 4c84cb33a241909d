import type { Clock, Timer } from '../base/clock.js';
import { answerOf } from '../base/deadline.js';
import { asError, StreamKitError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type { OverflowViewer, ResolvedOverflowOptions } from '../options/overflow-options.js';
import type { MediaSource, MediaSourceKind } from '../protocol/media-source.js';
import type { EgressMeter } from './egress-meter.js';
import { checkedMediaSource } from './media-source-check.js';
import {
  isCalm,
  isFull,
  type OverflowLoad,
  type OverflowSituation,
  planReturns,
} from './overflow-planner.js';
import { COOL_DOWN_MS, OverflowPublication, type OverflowPublisher } from './overflow-publication.js';

/** One viewer that may get its media from elsewhere. */
export interface OverflowMember {
  readonly description: Omit<OverflowViewer, 'streamId'>;
  /** What its client can be sent to. */
  readonly mediaSources: readonly MediaSourceKind[];
  /** It plays with input, which needs a peer of ours. */
  readonly isPlaying: boolean;
  /** Of its peer here; undefined where it has none. */
  readonly peerState: 'negotiating' | 'connected' | 'closed' | undefined;
  sendSource(source: MediaSource): void;
  /** Offers it a peer, in place of one that it has. */
  serve(): void;
  /** There is no seat for it: its event stream ends, and a further attempt is refused. */
  refuse(): void;
}

/** What a session tells of itself. */
export interface OverflowHost {
  readonly streamId: string;
  readonly publisher: OverflowPublisher;
  /** What another viewer adds at most now, bits/s. */
  viewerBps(): number;
  /** `direct` and `seats` without those whose media comes from elsewhere. */
  load(): Pick<OverflowLoad, 'direct' | 'seats'>;
  /** Calls back once the page is captured, now or later. */
  whenLive(work: () => void): void;
}

export interface SessionOverflowParts {
  readonly options: ResolvedOverflowOptions;
  readonly egress: EgressMeter;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Entry {
  readonly member: OverflowMember;
  /**
   * `reserved`: its event stream is not open yet. `placing`: where its media comes from is being found out. `returning`: it has been
   * offered a peer, and shows what comes from elsewhere until that brings a picture.
   */
  state: 'reserved' | 'placing' | 'elsewhere' | 'returning';
  source?: MediaSource;
  sinceUs: number;
  /** After a return that failed. */
  notBeforeUs: number;
  /** Since when its peer has been connected, as far as anybody looked; undefined while it is not. */
  connectedSinceUs: number | undefined;
}

const TICK_MS = 1000;
/** One that is offered a peer, and has not connected by then, stays where it is, ms. */
const RETURN_TIMEOUT_MS = 20_000;
const RETURN_AGAIN_MS = 60_000;
/** One that has been connected for so long shows our picture: clients give a connection without one up earlier, and stay, ms. */
const RETURNED_MS = 18_000;
/** The publication outlives its last viewer for so long: another may come, ms. */
const LINGER_MS = 10_000;

/** The viewers of one session whose media comes from a media server, and the publication that they live on. */
export class SessionOverflow {
  readonly #parts: SessionOverflowParts;
  readonly #host: OverflowHost;
  readonly #publication: OverflowPublication;
  readonly #entries = new Map<object, Entry>();
  readonly #release: () => void;
  /** When `play` failed last, by the kinds that the client takes: an answer that one client cannot use may suit the others. */
  readonly #playFailedAtUs = new Map<string, number>();
  #timer: Timer | undefined;
  #calmSinceUs: number | undefined;
  #emptySinceUs: number | undefined;
  #closed = false;

  constructor(parts: SessionOverflowParts, host: OverflowHost) {
    this.#parts = parts;
    this.#host = host;
    const { options, clock, logger, egress } = parts;
    const { streamId, publisher } = host;
    this.#publication = new OverflowPublication({
      ...{ streamId, publisher, publish: options.publish, clock },
      logger: logger.child({ streamId }),
    });
    this.#release = options.when.egressBps === undefined ? () => undefined : egress.hold();
  }

  /** How many there are. */
  get size(): number {
    return this.#entries.size;
  }

  has(member: object): boolean {
    return this.#entries.has(member);
  }

  /** What it shows comes from the media server, as far as is known. */
  isElsewhere(member: object): boolean {
    const entry = this.#entries.get(member);
    if (entry?.source === undefined) return false;
    return entry.state !== 'returning' || entry.member.peerState !== 'connected';
  }

  /** Whether a newcomer is to get its media from elsewhere. */
  takes(mediaSources: readonly MediaSourceKind[]): boolean {
    const { options } = this.#parts;
    return (
      mediaSources.length > 0 &&
      !this.#closed &&
      this.#entries.size < options.maxViewers &&
      this.#publication.isUsable &&
      !this.#isCooling(mediaSources) &&
      isFull(this.#load(), options.when)
    );
  }

  /** One more viewer is served from here: it was let in, or returns. */
  expect(): void {
    const { options, egress } = this.#parts;
    if (options.when.egressBps !== undefined && !this.#closed) egress.expect(this.#host.viewerBps());
  }

  /** Keeps a place for a newcomer until its event stream is open. */
  reserve(member: OverflowMember): void {
    const sinceUs = this.#parts.clock.nowUs();
    this.#entries.set(member, {
      ...{ member, state: 'reserved', sinceUs, notBeforeUs: -Infinity, connectedSinceUs: undefined },
    });
    this.#emptySinceUs = undefined;
    this.#timer ??= this.#parts.clock.every(TICK_MS, () => this.#tick());
  }

  /** The event stream of a viewer is open, and has no peer. @returns whether its media is taken care of here. */
  begin(member: OverflowMember): boolean {
    const entry = this.#entries.get(member);
    if (entry === undefined) return false;
    if (entry.source !== undefined) member.sendSource(entry.source);
    if (entry.state !== 'reserved') return true;
    if (member.isPlaying && this.#load().seats > 0) {
      this.#entries.delete(member);
      return false;
    }
    entry.state = 'placing';
    this.#host.whenLive(() => void this.#place(entry));
    return true;
  }

  /**
   * A viewer asks for media from here: where it was sent to it does not get any.
   *
   * @throws StreamKitError `at_capacity`.
   */
  recall(member: object): void {
    const entry = this.#entries.get(member);
    if (entry === undefined) return;
    if (entry.state !== 'returning' && this.#load().seats <= 0) {
      throw new StreamKitError('at_capacity', 'The session has as many viewers as it may', {
        headers: { 'Retry-After': '5' },
      });
    }
    if (entry.state === 'elsewhere') {
      const { streamId } = this.#host;
      const { publicId } = entry.member.description;
      this.#parts.logger.warn(
        { streamId, viewer: publicId, kind: entry.source?.kind },
        'a viewer got no media from the media server',
      );
    }
    this.#entries.delete(member);
  }

  /** A viewer is gone. */
  leave(member: object): void {
    this.#entries.delete(member);
  }

  /** Somebody may play now. */
  onControl(): void {
    // The others return at the pace of the timer.
    if (this.#entries.size > 0) this.#return({ ...this.#load(), calmMs: 0, isLost: false });
  }

  onPublicationChange(): void {
    this.#publication.onChange();
  }

  /** The session is about to end its publications, which is no failure. Idempotent. */
  onPublicationsClosing(): void {
    this.#publication.close();
  }

  /** Idempotent. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#entries.clear();
    this.#publication.close();
    this.#release();
  }

  #load(): OverflowLoad {
    const { direct, seats } = this.#host.load();
    const returning = this.#in('returning').length;
    return {
      direct: direct + returning,
      seats: seats - returning,
      elsewhere: this.#entries.size - returning,
      egressBps: this.#parts.options.when.egressBps === undefined ? 0 : this.#parts.egress.bps,
      viewerBps: this.#host.viewerBps(),
    };
  }

  #isCooling(mediaSources: readonly MediaSourceKind[]): boolean {
    const failedAtUs = this.#playFailedAtUs.get(mediaSources.join()) ?? -Infinity;
    return this.#parts.clock.nowUs() - failedAtUs < COOL_DOWN_MS * 1000;
  }

  #in(state: Entry['state']): Entry[] {
    return [...this.#entries.values()].filter((entry) => entry.state === state);
  }

  async #place(entry: Entry): Promise<void> {
    const { member } = entry;
    const isWaiting = (): boolean =>
      this.#entries.get(member) === entry && entry.state === 'placing' && !this.#closed;
    if (!isWaiting()) return;
    try {
      await this.#publication.open();
      if (!isWaiting()) return;
      const source = await this.#sourceOf(member);
      if (!isWaiting()) return;
      entry.source = source;
      entry.state = 'elsewhere';
      member.sendSource(source);
    } catch (thrown) {
      if (!isWaiting()) return;
      const { streamId } = this.#host;
      const { publicId } = member.description;
      this.#parts.logger.warn(
        { streamId, viewer: publicId, err: asError(thrown) },
        'a viewer is not sent to the media server',
      );
      this.#serveOrRefuse(entry);
    }
  }

  async #sourceOf({ description, mediaSources }: OverflowMember): Promise<MediaSource> {
    const { options, clock } = this.#parts;
    const { streamId } = this.#host;
    const viewer = { streamId, ...description };
    try {
      const source = checkedMediaSource(await answerOf(clock, 'play', () => options.play(viewer)));
      if (!mediaSources.includes(source.kind))
        throw new Error(`The client takes no media of kind ${source.kind}`);
      return source;
    } catch (thrown) {
      this.#playFailedAtUs.set(mediaSources.join(), clock.nowUs());
      throw thrown;
    }
  }

  #serveOrRefuse({ member }: Entry): void {
    const hasSeat = this.#load().seats > 0;
    this.#entries.delete(member);
    if (hasSeat) member.serve();
    else member.refuse();
  }

  #tick(): void {
    const { clock } = this.#parts;
    for (const entry of this.#in('returning')) this.#look(entry);
    this.#plan();
    if (this.#entries.size > 0) {
      this.#emptySinceUs = undefined;
      if (this.#in('elsewhere').length > 0) this.#publication.reopen();
      return;
    }
    this.#emptySinceUs ??= clock.nowUs();
    if (this.#publication.isOpen && clock.nowUs() - this.#emptySinceUs < LINGER_MS * 1000) return;
    this.#publication.end();
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #plan(): void {
    const { options, clock } = this.#parts;
    const nowUs = clock.nowUs();
    const load = this.#load();
    this.#calmSinceUs = isCalm(load, options.when) ? (this.#calmSinceUs ?? nowUs) : undefined;
    const calmMs = this.#calmSinceUs === undefined ? 0 : (nowUs - this.#calmSinceUs) / 1000;
    this.#return({ ...load, calmMs, isLost: this.#publication.isLost });
  }

  #return(situation: Omit<OverflowSituation<unknown>, 'movable'>): void {
    const nowUs = this.#parts.clock.nowUs();
    const movable = [...this.#entries.values()]
      .filter(({ state, notBeforeUs }) => state === 'elsewhere' && notBeforeUs <= nowUs)
      .map((entry) => ({ entry, isPlaying: entry.member.isPlaying }));
    for (const { entry } of planReturns({ ...situation, movable })) {
      entry.state = 'returning';
      entry.sinceUs = nowUs;
      entry.connectedSinceUs = undefined;
      this.expect();
      entry.member.serve();
    }
  }

  /** One that stays connected is served from here; one that does not stays elsewhere. */
  #look(entry: Entry): void {
    const { member } = entry;
    const nowUs = this.#parts.clock.nowUs();
    if (member.peerState === 'connected') {
      entry.connectedSinceUs ??= nowUs;
      if (nowUs - entry.connectedSinceUs >= RETURNED_MS * 1000) this.#entries.delete(member);
      return;
    }
    entry.connectedSinceUs = undefined;
    const isLate = nowUs - entry.sinceUs >= RETURN_TIMEOUT_MS * 1000;
    if (member.peerState !== 'closed' && !isLate) return;
    entry.state = 'elsewhere';
    entry.notBeforeUs = nowUs + RETURN_AGAIN_MS * 1000;
  }
}
