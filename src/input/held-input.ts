import type { GamepadState } from '../render/capture/page-controls.js';
import type { HeldKey } from './keyboard-event.js';

/** What one controller holds, so that it can be let go of when the controller goes. */
export interface HeldInput {
  /** By `code`, or by `key` where the client's keyboard has no codes. */
  readonly keys: Map<string, HeldKey>;
  readonly buttons: Set<number>;
  /** The client's ids of touches, and ours. */
  readonly touches: Map<number, number>;
  /** The client's numbers of gamepads, and ours. */
  readonly gamepads: Map<number, number>;
  /** The input method of the client shows a text that is not committed yet. */
  isComposing: boolean;
}

export function holdsNothing(): HeldInput {
  return {
    keys: new Map(),
    buttons: new Set(),
    touches: new Map(),
    gamepads: new Map(),
    isComposing: false,
  };
}

/** Keys that one client holds at most; a person has ten fingers. */
export const MAX_HELD_KEYS = 32;

/** Numbers of touches and gamepads of a page, which several controllers may share. */
export class Slots {
  readonly #taken: boolean[];

  constructor(count: number) {
    this.#taken = Array.from({ length: count }, () => false);
  }

  /** The one that is asked for if it is free, else the first. Undefined: there is none. */
  take(asked: number): number | undefined {
    const found = this.#taken[asked] === false ? asked : this.#taken.indexOf(false);
    if (found < 0) return undefined;
    this.#taken[found] = true;
    return found;
  }

  free(slot: number): void {
    this.#taken[slot] = false;
  }
}

/** What every frame is told of the gamepads. */
export type GamepadStates = (GamepadState | null)[];
