import type { Clock } from '../../base/clock.js';
import type { EncoderCandidate } from '../encode/encoder-candidate.js';
import { kindOf } from '../encode/encoder-kind.js';
import type { GraphicsDevice } from './graphics-devices.js';

/** One session's place on a device. */
export interface DeviceLease {
  readonly device: GraphicsDevice;
  /** Its driver failed: others are preferred for a while. */
  lose(): void;
  /** Whether there is another device whose driver has not failed of late. */
  readonly hasOther: boolean;
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
    const hasOther = (): boolean => this.#devices.some((other) => other !== device && !this.#isLost(other));
    return {
      device,
      get hasOther() {
        return hasOther();
      },
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
 *
 * @param others - devices that may encode as well, in the order in which they are to be used.
 */
export function encodersOn<Candidate extends EncoderCandidate>(
  device: GraphicsDevice,
  others: readonly GraphicsDevice[],
  candidates: readonly Candidate[],
): readonly Candidate[] {
  return candidates
    .flatMap((candidate) => placed(device, others, candidate))
    .toSorted((one, other) => one.rank - other.rank)
    .map(({ candidate }) => candidate);
}

interface PlacedCandidate<Candidate> {
  /** The lower, the better. */
  readonly rank: number;
  readonly candidate: Candidate;
}

function placed<Candidate extends EncoderCandidate>(
  device: GraphicsDevice,
  others: readonly GraphicsDevice[],
  candidate: Candidate,
): PlacedCandidate<Candidate>[] {
  if (candidate.device !== undefined) return [{ rank: 0, candidate }];
  const kind = kindOf(candidate);
  if (kind === undefined) return [{ rank: 2, candidate }];
  const onDevices = [device, ...others.filter((other) => other !== device)].flatMap((one) => {
    const name = encoderDevice(kind, one);
    return name === undefined
      ? []
      : [{ rank: one === device ? 0 : 1, candidate: { ...candidate, device: name } }];
  });
  return onDevices.length > 0 ? onDevices : [{ rank: 1, candidate }];
}

/** As the encoders of a kind name the device; undefined: it is not one of theirs. */
function encoderDevice(kind: string, { path, cudaIndex, vendor }: GraphicsDevice): string | undefined {
  if (kind === 'nvenc') return cudaIndex === undefined ? undefined : String(cudaIndex);
  const fits = path.startsWith('/dev/dri/') && (kind === 'qsv' ? vendor === 'intel' : vendor !== 'nvidia');
  return fits ? path : undefined;
}
