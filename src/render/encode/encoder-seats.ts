import type { Clock } from '../../base/clock.js';
import { asError } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import { kindOf } from './encoder-kind.js';
import type { EncoderReport, ProbedCandidate } from './encoder-probe.js';

/** How many encodings run on one device, of all sessions of this server. */
export interface DeviceEncodings {
  /** Kind and device, without a path: `nvenc`, `nvenc:0`, `vaapi:renderD128`. */
  readonly device: string;
  readonly running: number;
  /** How many it was found to take at once; undefined: it has refused none. */
  readonly limit: number | undefined;
  /** Encodings that went elsewhere since it was full. */
  readonly passedOver: number;
}

/** One encoding's place among its candidates. */
export interface EncoderSeat {
  /** To be tried, best first; never none. */
  readonly candidates: readonly ProbedCandidate[];
  /** Why it does not have the encoder that comes first on this machine; undefined: it does. For clients: without paths. */
  readonly reason: string | undefined;
  /**
   * It is encoded by the candidate of this index. Others are ignored.
   *
   * @param failed - those before it, from the one that had the seat, have failed right now.
   */
  moveTo(index: number, failed: boolean): void;
  /** Idempotent. */
  release(): void;
}

export interface EncoderSeatsParameters {
  /** Finds out whether one more encoding can be opened now. Never rejects. */
  readonly probe: (candidate: ProbedCandidate) => Promise<EncoderReport>;
  readonly clock: Pick<Clock, 'nowUs'>;
  readonly logger: Logger;
}

/** Drivers are updated, and other programs end: so long after a refusal one encoding more is tried. */
const RETRY_AFTER_US = 10 * 60 * 1_000_000;

interface Device {
  readonly label: string;
  running: number;
  limit: number | undefined;
  refusedAtUs: number;
  passedOver: number;
  /** Encoders that did not open or broke. */
  failures: number;
  isProbed: boolean;
}

/**
 * Counts the encodings on each device and learns how many it takes: NVENC refuses to open more than so many, by card and driver, other
 * programs' among them. When an encoder of a device has failed, one is opened on it in a process of its own; if that is refused
 * too, no more encodings are placed there than run at that moment. Once one of them ends there is room again.
 */
export class EncoderSeats {
  readonly #parameters: EncoderSeatsParameters;
  readonly #devices = new Map<string, Device>();
  /** Of {@link refuse}, by kind: they count for each device of that kind. */
  readonly #refusals = new Map<string, { readonly reason: string; readonly atUs: number }>();

  constructor(parameters: EncoderSeatsParameters) {
    this.#parameters = parameters;
  }

  /** By device, in the order in which they were first used. */
  get encodings(): readonly DeviceEncodings[] {
    return [...this.#devices.values()].map(({ label: device, running, limit, passedOver }) => ({
      ...{ device, running, limit, passedOver },
    }));
  }

  /**
   * A place for an encoding that is about to start. It counts for the first candidate until it is moved.
   *
   * @param candidates - best first; those on a device that is full are left out.
   */
  take(candidates: readonly ProbedCandidate[]): EncoderSeat {
    const full: ProbedCandidate[] = [];
    let isFound = false;
    const free = candidates.filter((candidate) => {
      const device = this.#deviceOf(candidate);
      if (device === undefined || hasRoom(device) || this.#isRetryDue(device)) return (isFound = true);
      // What would have come later anyway has not lost anything.
      if (!isFound) full.push(candidate);
      return false;
    });
    const [first] = free;
    // It alone tries a device that has refused; the others follow once it has come through.
    const tried = first && this.#deviceOf(first);
    if (tried && !hasRoom(tried)) tried.refusedAtUs = this.#parameters.clock.nowUs();
    for (const device of new Set(full.map((candidate) => this.#deviceOf(candidate)))) {
      if (device !== undefined) device.passedOver += 1;
    }
    return new Seat(free, full, this);
  }

  /**
   * Before anything was encoded it was refused an encoding for want of a session: others have them all. Without a device it
   * was tried on all of its kind, and sessions may name one of them.
   */
  refuse(candidate: ProbedCandidate, reason: string): void {
    const kind = kindOf(candidate);
    if (kind === undefined) return;
    const device = candidate.device === undefined ? undefined : this.#deviceOf(candidate);
    if (device === undefined) this.#refusals.set(kind, { reason, atUs: this.#parameters.clock.nowUs() });
    else this.#limit(device, reason);
  }

  /** @param claimed - whether it is used from now on, or no more. */
  claim(candidate: ProbedCandidate, claimed: boolean): void {
    const device = this.#deviceOf(candidate);
    if (device === undefined) return;
    device.running += claimed ? 1 : -1;
  }

  /** An encoder has come through where more were not expected: the limit is not what it was. */
  confirm(candidate: ProbedCandidate): void {
    const device = this.#deviceOf(candidate);
    if (device?.limit === undefined || device.running <= device.limit) return;
    this.#parameters.logger.info({ device: device.label }, 'a device takes more encodings again');
    device.limit = undefined;
  }

  /** It did not open, or broke. */
  onFailed(candidate: ProbedCandidate): void {
    const device = this.#deviceOf(candidate);
    if (device === undefined) return;
    device.failures += 1;
    if (!device.isProbed) void this.#probe(device, candidate);
  }

  /** For clients. */
  reasonFor(candidate: ProbedCandidate): string {
    const limit = this.#deviceOf(candidate)?.limit ?? 0;
    const taken = limit === 0 ? 'no encodings at present' : `no more than ${limit} at once`;
    return `${candidate.name} is not used: its device takes ${taken}`;
  }

  async #probe(device: Device, candidate: ProbedCandidate): Promise<void> {
    device.isProbed = true;
    try {
      let seen: number;
      // What fails meanwhile calls for another one.
      do {
        seen = device.failures;
        const { works, reason = 'unknown' } = await this.#parameters.probe(candidate);
        if (!works) this.#limit(device, reason);
      } while (seen !== device.failures);
    } catch (thrown) {
      const context = { err: asError(thrown), device: device.label };
      this.#parameters.logger.warn(
        context,
        'it could not be found out whether a device takes more encodings',
      );
    } finally {
      device.isProbed = false;
    }
  }

  #limit(device: Device, reason: string, refusedAtUs = this.#parameters.clock.nowUs()): void {
    const { logger } = this.#parameters;
    device.limit = device.running;
    device.refusedAtUs = refusedAtUs;
    logger.warn({ device: device.label, limit: device.limit, reason }, 'a device takes no further encodings');
  }

  #isRetryDue({ refusedAtUs }: Device): boolean {
    return this.#parameters.clock.nowUs() - refusedAtUs >= RETRY_AFTER_US;
  }

  /** Undefined: it encodes in software. The encoders of one kind share the sessions of their device, whatever the codec. */
  #deviceOf(candidate: ProbedCandidate): Device | undefined {
    const { device } = candidate;
    const kind = kindOf(candidate);
    if (kind === undefined) return undefined;
    const label = device === undefined ? kind : `${kind}:${device.replace(/^.*\//, '')}`;
    const existing = this.#devices.get(label);
    if (existing !== undefined) return existing;
    const created: Device = {
      ...{ label, running: 0, limit: undefined, refusedAtUs: 0, passedOver: 0 },
      ...{ failures: 0, isProbed: false },
    };
    this.#devices.set(label, created);
    const refusal = this.#refusals.get(kind);
    if (refusal !== undefined) this.#limit(created, refusal.reason, refusal.atUs);
    return created;
  }
}

function hasRoom({ limit, running }: Device): boolean {
  return limit === undefined || running < limit;
}

class Seat implements EncoderSeat {
  readonly candidates: readonly ProbedCandidate[];
  readonly #seats: EncoderSeats;
  readonly #whyFull: string | undefined;
  #index = 0;
  /** Undefined: none has. */
  #failed: ProbedCandidate | undefined;
  #released = false;

  /** @param full - better ones whose device takes no more. */
  constructor(candidates: readonly ProbedCandidate[], full: readonly ProbedCandidate[], seats: EncoderSeats) {
    this.candidates = candidates;
    this.#seats = seats;
    const [best] = full;
    this.#whyFull = best && seats.reasonFor(best);
    this.#claim(true);
  }

  get reason(): string | undefined {
    if (this.#whyFull !== undefined) return this.#whyFull;
    if (this.#index === 0 || this.#failed === undefined) return undefined;
    return `${this.#failed.name} failed and was replaced`;
  }

  moveTo(index: number, failed: boolean): void {
    const next = this.candidates[index];
    if (next === undefined || this.#released) return;
    const passed = failed ? this.candidates.slice(this.#index, index) : [];
    if (index !== this.#index) {
      this.#claim(false);
      this.#index = index;
      this.#claim(true);
    }
    this.#failed ??= passed[0];
    if (passed.length === 0) this.#seats.confirm(next);
    for (const candidate of passed) this.#seats.onFailed(candidate);
  }

  release(): void {
    if (this.#released) return;
    this.#claim(false);
    this.#released = true;
  }

  #claim(claimed: boolean): void {
    const candidate = this.candidates[this.#index];
    if (candidate !== undefined) this.#seats.claim(candidate, claimed);
  }
}
