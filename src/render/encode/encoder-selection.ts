import { accessSync, constants } from 'node:fs';

import { ENCODER_ORDER, LIBRARY_ENCODERS } from '../../options/encoder-names.js';
import { StreamKitError } from '../../base/errors.js';
import { systemClock } from '../../base/clock.js';
import type { Logger } from '../../base/logger.js';
import { byCodec, VIDEO_CODECS, type VideoCodec } from '../../protocol/video-codecs.js';
import {
  EncoderProbe,
  probeEncoderSync,
  type EncoderReport,
  type ProbedCandidate,
  type ProbeParameters,
} from './encoder-probe.js';
import { EncoderSeats } from './encoder-seats.js';

/** For each codec FFmpeg's name of the encoder that is wanted, or `auto`. */
export type EncoderChoice = Readonly<Record<VideoCodec, string>>;

export interface EncoderSelectionParameters {
  readonly choice: EncoderChoice;
  /** Path of a render node or number of a GPU; undefined: the first. */
  readonly device: string | undefined;
  /** The program that encodes; undefined: FFmpeg's libraries in this process. */
  readonly ffmpegPath: string | undefined;
  readonly logger: Logger;
  /** Default: an {@link EncoderProbe}. */
  readonly openProbe?: OpenProbe;
  /** Tries one that is named, while the caller waits. Default: {@link probeEncoderSync}. */
  readonly probeNamed?: typeof probeEncoderSync;
}

type OpenedProbe = Pick<EncoderProbe, 'reports' | 'close'>;

/** Tries encoders. */
export type OpenProbe = (parameters: ProbeParameters) => OpenedProbe;

const PROBE_TIMEOUT_MS = 2_000;
/** One that is named has no other to take its place: on a busy host it may need seconds, and must not be refused. */
const NAMED_PROBE_TIMEOUT_MS = 10_000;

/** What NVENC says if all of its sessions are taken, in newer and in older drivers: other programs may have them. */
const NO_SESSION_LEFT = /OpenEncodeSessionEx failed: (?:out of memory|incompatible client key)/;

/** What was found, by the candidates that were tried: hardware does not come and go while a process lives. */
const known = new Map<string, readonly EncoderReport[]>();

/** Which encoders are used for a codec: found out once, in the background. */
export class EncoderSelection {
  readonly #logger: Logger;
  readonly #openProbe: OpenProbe;
  /** Before anything is known of them. */
  readonly #all: Readonly<Record<VideoCodec, readonly ProbedCandidate[]>>;
  readonly #candidates: Record<VideoCodec, readonly ProbedCandidate[]>;
  /** Those that run: the first, and what tries whether a device takes one more. */
  readonly #probes = new Set<OpenedProbe>();
  /** How many encodings the devices take. */
  readonly seats: EncoderSeats;
  readonly #ready: Promise<void>;
  #chosen = false;
  #closed = false;

  /**
   * @throws StreamKitError `bad_option` when an encoder that is named does not work on this machine, `unavailable` when there was no
   * process to try it in.
   */
  constructor(parameters: EncoderSelectionParameters) {
    const { choice, ffmpegPath, logger, probeNamed = probeEncoderSync } = parameters;
    this.#logger = logger;
    this.#openProbe = parameters.openProbe ?? ((probe) => new EncoderProbe(probe));
    this.seats = new EncoderSeats({
      probe: (candidate) => this.#probeOne(candidate),
      ...{ clock: systemClock, logger },
    });
    if (ffmpegPath !== undefined) refuseUnlessExecutable(ffmpegPath);
    this.#all = byCodec((codec) => candidatesFor(codec, parameters));
    this.#candidates = { ...this.#all };
    for (const codec of VIDEO_CODECS) {
      const [named] = this.#candidates[codec];
      if (choice[codec] === 'auto' || named === undefined || isCertain(named)) continue;
      const report = probeNamed(named, NAMED_PROBE_TIMEOUT_MS);
      this.#noteBusy([report]);
      if (!report.works && !hasNoSessionLeft(report)) throw doesNotWork(report);
    }
    const doubtful = VIDEO_CODECS.filter((codec) => choice[codec] === 'auto').flatMap((codec) =>
      this.#candidates[codec].filter((candidate) => !isCertain(candidate)),
    );
    const reports = known.get(JSON.stringify(doubtful));
    if (doubtful.length === 0 || reports !== undefined) {
      this.#choose(reports ?? []);
      this.#ready = Promise.resolve();
      return;
    }
    this.#ready = this.#probe(doubtful, PROBE_TIMEOUT_MS).then((found) => {
      this.#noteBusy(found);
      this.#choose(found);
      if (this.#closed) return;
      if (found.some(({ late }) => late === true)) void this.#tryLate(doubtful, found);
      else remember(doubtful, found);
    });
  }

  /** It is known what works. */
  get chosen(): boolean {
    return this.#chosen;
  }

  /** Resolves, at most 2 s after the start, when {@link candidates} knows what works; what is late may come later. */
  ready(): Promise<void> {
    return this.#ready;
  }

  /** The encoders to use, best first; never none. */
  candidates(codec: VideoCodec): readonly ProbedCandidate[] {
    return this.#candidates[codec];
  }

  /** Idempotent. */
  close(): void {
    this.#closed = true;
    for (const probe of this.#probes) probe.close();
  }

  async #probeOne(candidate: ProbedCandidate): Promise<EncoderReport> {
    // What is given up is no refusal, nor is what could not be tried.
    if (this.#closed) return { name: candidate.name, works: true };
    const [report] = await this.#probe([candidate], NAMED_PROBE_TIMEOUT_MS);
    const isRefusal = report !== undefined && report.untried !== true && !this.#isClosed();
    return isRefusal ? report : { name: candidate.name, works: true };
  }

  async #probe(candidates: readonly ProbedCandidate[], timeoutMs: number): Promise<readonly EncoderReport[]> {
    const probe = this.#openProbe({ candidates, timeoutMs, measureMs: 0, keepsAlive: false });
    this.#probes.add(probe);
    const reports = await probe.reports;
    this.#probes.delete(probe);
    return reports;
  }

  /** Tells the seats at once who had no session left: it counts for the moment of the probe. */
  #noteBusy(reports: readonly EncoderReport[]): void {
    for (const { name, reason = '' } of reports.filter(hasNoSessionLeft)) {
      for (const codec of VIDEO_CODECS) {
        const busy = this.#all[codec].find((candidate) => candidate.name === name && !isCertain(candidate));
        if (busy === undefined) continue;
        this.#logger.warn(
          { encoder: name, reason },
          'an encoder has no session left; it is tried again later',
        );
        this.seats.refuse(busy, reason);
      }
    }
  }

  #isClosed(): boolean {
    return this.#closed;
  }

  /**
   * Tries again what the first probe had no time for, with more time: a busy host answers late. One that takes all of
   * it is refused, and those behind it are tried next.
   */
  async #tryLate(doubtful: readonly ProbedCandidate[], found: readonly EncoderReport[]): Promise<void> {
    const reports = found.filter(({ late }) => late !== true);
    while (reports.length < doubtful.length) {
      const more = await this.#probe(doubtful.slice(reports.length), NAMED_PROBE_TIMEOUT_MS);
      if (this.#isClosed()) return;
      const lateAt = more.findIndex(({ late }) => late === true);
      const settled = lateAt === -1 ? more : more.slice(0, lateAt + 1);
      this.#noteBusy(settled);
      reports.push(...settled);
    }
    this.#choose(reports);
    remember(doubtful, reports);
  }

  #choose(reports: readonly EncoderReport[]): void {
    this.#chosen = true;
    const refused = reports.filter((report) => !report.works && !isPassing(report));
    for (const codec of VIDEO_CODECS) {
      this.#candidates[codec] = this.#all[codec].filter(
        (candidate) => isCertain(candidate) || !refused.some(({ name }) => name === candidate.name),
      );
    }
    const chosen = Object.fromEntries(VIDEO_CODECS.map((codec) => [codec, this.#candidates[codec][0]?.name]));
    const reasons = Object.fromEntries(refused.map(({ name, reason }) => [name, reason]));
    this.#logger.info({ ...chosen, refused: reasons }, 'encoders chosen');
  }
}

/**
 * A named encoder is followed by the one in software, which takes over when it fails in mid-stream; the ones of a program
 * are followed by software in this process.
 */
function candidatesFor(
  codec: VideoCodec,
  { choice, device, ffmpegPath }: EncoderSelectionParameters,
): readonly ProbedCandidate[] {
  const order = ENCODER_ORDER[codec];
  const [software] = order.slice(-1);
  const wanted = choice[codec];
  const names: readonly string[] = wanted === 'auto' ? order : [...new Set([wanted, ...order.slice(-1)])];
  const here = names.map((name) => ({ name, codec, device }));
  return ffmpegPath === undefined || software === undefined
    ? here
    : [
        ...here
          .filter(({ name }) => !LIBRARY_ENCODERS.includes(name))
          .map((candidate) => ({ ...candidate, ffmpegPath })),
        { name: software, codec, device },
      ];
}

/** FFmpeg's libraries always have the encoders in software. */
function isCertain({ name, codec, ffmpegPath }: ProbedCandidate): boolean {
  return ffmpegPath === undefined && name === ENCODER_ORDER[codec].at(-1);
}

function hasNoSessionLeft({ works, reason = '' }: EncoderReport): boolean {
  return !works && NO_SESSION_LEFT.test(reason);
}

/** The next time it may work: others had all sessions, or there was no process to try it in. */
function isPassing(report: EncoderReport): boolean {
  return report.untried === true || hasNoSessionLeft(report);
}

function remember(candidates: readonly ProbedCandidate[], found: readonly EncoderReport[]): void {
  const mayChange = found.some((report) => report.late === true || isPassing(report));
  if (!mayChange) known.set(JSON.stringify(candidates), found);
}

function refuseUnlessExecutable(ffmpegPath: string): void {
  try {
    accessSync(ffmpegPath, constants.X_OK);
  } catch (cause) {
    const sentence = `Expected an executable file for ffmpegPath but received ${ffmpegPath}`;
    throw new StreamKitError('bad_option', sentence, { cause });
  }
}

function doesNotWork({ name, reason, untried }: EncoderReport): StreamKitError {
  const because = reason === undefined ? '' : `: ${reason}`;
  // That says nothing of the encoder.
  if (untried === true) {
    const sentence = `The encoder ${name} could not be tried. Start again once processes can be started${because}`;
    return new StreamKitError('unavailable', sentence);
  }
  const sentence = `Expected an encoder that works on this machine for encoder but received ${name}${because}`;
  return new StreamKitError('bad_option', sentence);
}
