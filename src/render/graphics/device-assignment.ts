import type { Clock } from '../../base/clock.js';
import type { EncoderCandidate } from '../encode/encoder-candidate.js';
import type { GraphicsDevice } from './graphics-devices.js';

/** One session's place on a device. */
export interface DeviceLease {
  readonly device: GraphicsDevice;
  /** Its driver failed: others are preferred for a while. */
  lose(): void;
  /** Idempotent. */
  release(): void;
}

/** How long a device whose driver failed gets no session, unless there is no other. */
const LOST_US = 5 * 60 * 1_000_000;

/** Spreads sessions over the GPUs of a machine: each goes to the one that has the fewest. */
export class DeviceAssignment {
  readonly #devices: readonly GraphicsDevice[];
  readonly #clock: Pick<Clock, 'nowUs'>;
  readonly #sessions = new Map<GraphicsDevice, number>();
  readonly #lostAtUs = new Map<GraphicsDevice, number>();

  /** @param devices - those on which pages can be drawn, the preferred ones first. */
  constructor(devices: readonly GraphicsDevice[], clock: Pick<Clock, 'nowUs'>) {
    this.#devices = devices;
    this.#clock = clock;
  }

  /** @returns undefined where there is no device. */
  take(): DeviceLease | undefined {
    const sound = this.#devices.filter((device) => !this.#isLost(device));
    const [device] = (sound.length > 0 ? sound : this.#devices).toSorted(
      (one, other) => this.#sessionsOn(one) - this.#sessionsOn(other),
    );
    if (device === undefined) return undefined;
    this.#sessions.set(device, this.#sessionsOn(device) + 1);
    let isOver = false;
    return {
      device,
      lose: () => void this.#lostAtUs.set(device, this.#clock.nowUs()),
      release: () => {
        if (isOver) return;
        isOver = true;
        this.#sessions.set(device, this.#sessionsOn(device) - 1);
      },
    };
  }

  #sessionsOn(device: GraphicsDevice): number {
    return this.#sessions.get(device) ?? 0;
  }

  #isLost(device: GraphicsDevice): boolean {
    const atUs = this.#lostAtUs.get(device);
    return atUs !== undefined && this.#clock.nowUs() - atUs < LOST_US;
  }
}

/**
 * The encoders for a session that is drawn on a device, best first: the hardware encoders of that device, those of other
 * devices, and the others. A hardware encoder that is named stays the first, since software alone is behind it. What names a
 * device itself stays as it is.
 */
export function encodersOn(
  device: GraphicsDevice,
  candidates: readonly EncoderCandidate[],
): readonly EncoderCandidate[] {
  return candidates
    .map((candidate) => placed(device, candidate))
    .toSorted((one, other) => one.rank - other.rank)
    .map(({ candidate }) => candidate);
}

interface PlacedCandidate {
  /** The lower, the better. */
  readonly rank: number;
  readonly candidate: EncoderCandidate;
}

function placed({ path, cudaIndex, vendor }: GraphicsDevice, candidate: EncoderCandidate): PlacedCandidate {
  if (candidate.device !== undefined) return { rank: 0, candidate };
  const [, kind] = /_(nvenc|vaapi|qsv)$/.exec(candidate.name) ?? [];
  if (kind === undefined) return { rank: 2, candidate };
  if (kind === 'nvenc') {
    if (cudaIndex === undefined) return { rank: 1, candidate };
    return { rank: 0, candidate: { ...candidate, device: String(cudaIndex) } };
  }
  const fits = path.startsWith('/dev/dri/') && (kind === 'qsv' ? vendor === 'intel' : vendor !== 'nvidia');
  return fits ? { rank: 0, candidate: { ...candidate, device: path } } : { rank: 1, candidate };
}
