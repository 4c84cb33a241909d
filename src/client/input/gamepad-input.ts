import type { InputSender } from './input-sender.js';

/** What the server takes of gamepads. */
const LIMITS = { gamepads: 4, buttons: 32, axes: 16, idLength: 128 };

interface GamepadState {
  readonly type: 'gamepad';
  readonly index: number;
  readonly id: string;
  readonly buttons: readonly { readonly pressed: boolean; readonly value: number }[];
  readonly axes: readonly number[];
}

/** The gamepads of this end, told when they change. */
export class GamepadInput {
  readonly #sender: InputSender;
  readonly #onPress: () => void;
  readonly #seat: number | undefined;
  /** What the page knows, by index. */
  readonly #told = new Map<number, GamepadState>();

  /** @param seat - from 1 on: the first gamepad is told as the one there, and no other. */
  constructor(sender: InputSender, onPress: () => void, seat?: number) {
    this.#sender = sender;
    this.#onPress = onPress;
    this.#seat = seat;
  }

  /** Once a frame, for gamepads tell nothing by themselves. */
  poll(gamepads: readonly (Gamepad | null)[]): void {
    for (let index = 0; index < LIMITS.gamepads; index++) {
      const gamepad = this.find(gamepads, index);
      if (gamepad !== null) this.#tell(stateOf(gamepad, index));
      else if (this.#told.has(index)) this.#disconnect(index);
    }
  }

  /** The one that the page knows by this index. */
  find(gamepads: readonly (Gamepad | null)[], index: number): Gamepad | null {
    const isThere = (gamepad: Gamepad | null | undefined): boolean => gamepad?.connected === true;
    if (this.#seat !== undefined) {
      return index === this.#seat - 1 ? (gamepads.find(isThere) ?? null) : null;
    }
    const gamepad = gamepads[index] ?? null;
    return isThere(gamepad) ? gamepad : null;
  }

  /** Nothing of them is pressed any more; they stay there. */
  rest(): void {
    for (const state of [...this.#told.values()]) {
      this.#tell({
        ...state,
        buttons: state.buttons.map(() => ({ pressed: false, value: 0 })),
        axes: state.axes.map(() => 0),
      });
    }
  }

  /** Takes them away from the page. */
  release(): void {
    for (const index of [...this.#told.keys()]) this.#disconnect(index);
  }

  /** The page knows already. */
  forget(): void {
    this.#told.clear();
  }

  #tell(state: GamepadState): void {
    const before = this.#told.get(state.index);
    if (JSON.stringify(state) === JSON.stringify(before)) return;
    const pressed = state.buttons.map((button) => button.pressed);
    const hasPress = pressed.some((isDown, at) => isDown && before?.buttons[at]?.pressed !== true);
    const hasChange =
      pressed.length !== before?.buttons.length ||
      pressed.some((isDown, at) => isDown !== before.buttons[at]?.pressed);
    // A stick that moves will be told in the next frame, if not now.
    if (!(hasChange ? this.#sender.send(state) : this.#sender.trySend(state))) return;
    this.#told.set(state.index, state);
    if (hasPress) this.#onPress();
  }

  #disconnect(index: number): void {
    this.#told.delete(index);
    this.#sender.send({ type: 'gamepad', index, connected: false });
  }
}

function stateOf({ id, buttons, axes }: Gamepad, index: number): GamepadState {
  return {
    type: 'gamepad',
    index,
    // Half of a surrogate pair is no text.
    id: id.slice(0, LIMITS.idLength).replace(/\p{Surrogate}/gu, ''),
    buttons: buttons
      .slice(0, LIMITS.buttons)
      .map(({ pressed, value }) => ({ pressed, value: round(Math.max(0, value)) })),
    axes: axes.slice(0, LIMITS.axes).map(round),
  };
}

/** Noise of a stick that rests would be a message a frame. */
function round(value: number): number {
  return Math.round(Math.min(1, Math.max(-1, value)) * 1000) / 1000;
}
