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
 * The encoders for a session that is drawn on a device: hardware encoders are that device's, so that no picture crosses from one
 * GPU to another, and those that it cannot have are left out. What names a device itself stays as it is.
 */
export function encodersOn(
  { path, nvidiaNumber, vendor }: GraphicsDevice,
  candidates: readonly EncoderCandidate[],
): readonly EncoderCandidate[] {
  return candidates.flatMap((candidate): EncoderCandidate[] => {
    if (candidate.device !== undefined) return [candidate];
    const [, kind] = /_(nvenc|vaapi|qsv)$/.exec(candidate.name) ?? [];
    if (kind === undefined) return [candidate];
    if (kind === 'nvenc') {
      return nvidiaNumber === undefined ? [] : [{ ...candidate, device: String(nvidiaNumber) }];
    }
    const fits = path.startsWith('/dev/dri/') && (kind === 'qsv' ? vendor === 'intel' : vendor !== 'nvidia');
    return fits ? [{ ...candidate, device: path }] : [];
  });
}
