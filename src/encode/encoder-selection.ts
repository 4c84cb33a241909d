import { ENCODER_ORDER, type EncoderName } from '../encoder-names.js';
import { StreamKitError } from '../errors.js';
import type { Logger } from '../logger.js';
import type { VideoCodec } from './encoded-frame.js';
import type { EncoderCandidate } from './encoder-candidate.js';
import { EncoderProbe, probeEncoderSync, type EncoderReport, type ProbedCandidate } from './encoder-probe.js';

/** For each codec the encoder that is wanted. */
export type EncoderChoice = Readonly<Record<VideoCodec, EncoderName | 'auto'>>;

export interface EncoderSelectionParameters {
  readonly choice: EncoderChoice;
  /** Path of a render node or number of a GPU; undefined: the first. */
  readonly device: string | undefined;
  readonly logger: Logger;
}

const CODECS: readonly VideoCodec[] = ['h264', 'vp8'];
const PROBE_TIMEOUT_MS = 2_000;

/** What was found, by the candidates that were tried: hardware does not come and go while a process lives. */
const known = new Map<string, readonly EncoderReport[]>();

/** Which encoders are used for a codec: found out once, in the background. */
export class EncoderSelection {
  readonly #logger: Logger;
  readonly #candidates: Record<VideoCodec, readonly ProbedCandidate[]>;
  readonly #probe: EncoderProbe | undefined;
  readonly #ready: Promise<void>;

  /** @throws StreamKitError `bad_option` when an encoder that is named does not work on this machine. */
  constructor({ choice, device, logger }: EncoderSelectionParameters) {
    this.#logger = logger;
    this.#candidates = {
      h264: candidatesFor('h264', choice, device),
      vp8: candidatesFor('vp8', choice, device),
    };
    for (const codec of CODECS) {
      const [named] = this.#candidates[codec];
      if (choice[codec] !== 'auto' && named !== undefined && !isSoftware(named)) refuseUnlessItWorks(named);
    }
    const doubtful = CODECS.filter((codec) => choice[codec] === 'auto').flatMap((codec) =>
      this.#candidates[codec].filter((candidate) => !isSoftware(candidate)),
    );
    const key = JSON.stringify(doubtful);
    const reports = known.get(key);
    if (doubtful.length === 0 || reports !== undefined) {
      this.#choose(reports ?? []);
      this.#ready = Promise.resolve();
      return;
    }
    const probe = new EncoderProbe({
      candidates: doubtful,
      timeoutMs: PROBE_TIMEOUT_MS,
      measureMs: 0,
      keepsAlive: false,
    });
    this.#probe = probe;
    this.#ready = probe.reports.then((found) => {
      if (!probe.closed) known.set(key, found);
      this.#choose(found);
    });
  }

  /** Resolves, at most 2 s after the start, when {@link candidates} knows what works. */
  ready(): Promise<void> {
    return this.#ready;
  }

  /** The encoders to use, best first; never none. */
  candidates(codec: VideoCodec): readonly EncoderCandidate[] {
    return this.#candidates[codec];
  }

  /** Idempotent. */
  close(): void {
    this.#probe?.close();
  }

  #choose(reports: readonly EncoderReport[]): void {
    const refused = reports.filter(({ works }) => !works);
    for (const codec of CODECS) {
      this.#candidates[codec] = this.#candidates[codec].filter(
        ({ name }) => !refused.some((report) => report.name === name),
      );
    }
    const chosen = Object.fromEntries(CODECS.map((codec) => [codec, this.#candidates[codec][0]?.name]));
    const reasons = Object.fromEntries(refused.map(({ name, reason }) => [name, reason]));
    this.#logger.info({ ...chosen, refused: reasons }, 'encoders chosen');
  }
}

/** A named encoder is followed by the one in software, which takes over when it fails in mid-stream. */
function candidatesFor(
  codec: VideoCodec,
  choice: EncoderChoice,
  device: string | undefined,
): readonly ProbedCandidate[] {
  const order: readonly EncoderName[] = ENCODER_ORDER[codec];
  const wanted = choice[codec];
  const names = wanted === 'auto' ? order : [...new Set([wanted, ...order.slice(-1)])];
  return names.map((name) => ({ name, codec, device }));
}

function isSoftware({ name, codec }: ProbedCandidate): boolean {
  return name === ENCODER_ORDER[codec].at(-1);
}

function refuseUnlessItWorks(candidate: ProbedCandidate): void {
  const { works, reason } = probeEncoderSync(candidate, PROBE_TIMEOUT_MS);
  if (works) return;
  const because = reason === undefined ? '' : `: ${reason}`;
  throw new StreamKitError(
    'bad_option',
    `Expected an encoder that works on this machine for encoder but received ${candidate.name}${because}`,
  );
}
