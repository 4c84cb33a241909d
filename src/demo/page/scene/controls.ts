/** Which way somebody steers, each −1 to 1: to the right and away over the water. */
export interface Steering {
  readonly x: number;
  readonly y: number;
}

/** A place on the picture, each 0–1, from its left upper corner. */
export interface PicturePlace {
  readonly x: number;
  readonly y: number;
}

export interface ControlsListener {
  /** Something was pressed: a key, a button, a finger. */
  onPress(): void;
  /** The button that acts: space, enter, a click, or the lowest of a gamepad's four. */
  onAct(place: PicturePlace | undefined): void;
}

const STEERING_KEYS: Readonly<Partial<Record<string, Steering>>> = {
  ArrowLeft: { x: -1, y: 0 },
  KeyA: { x: -1, y: 0 },
  ArrowRight: { x: 1, y: 0 },
  KeyD: { x: 1, y: 0 },
  ArrowUp: { x: 0, y: 1 },
  KeyW: { x: 0, y: 1 },
  ArrowDown: { x: 0, y: -1 },
  KeyS: { x: 0, y: -1 },
};
const ACTING_KEYS: ReadonlySet<string> = new Set(['Space', 'Enter']);
/** What a stick that nobody touches may be off. */
const DEAD_ZONE = 0.18;
/** W3C Gamepad, section 7: the standard mapping. */
const PAD_ACT = 0;
const PAD_DIRECTIONS = [
  [12, { x: 0, y: 1 }],
  [13, { x: 0, y: -1 }],
  [14, { x: -1, y: 0 }],
  [15, { x: 1, y: 0 }],
] as const;

/** Keyboard, mouse, pen, fingers and gamepads, as one who steers and acts. */
export class Controls {
  readonly #listener: ControlsListener;
  readonly #held = new Set<string>();
  /** Where the pointer that is down wants to go. */
  #target: PicturePlace | undefined;
  #targetPointer: number | undefined;
  /** The buttons that are down, by gamepad. */
  readonly #padButtons = new Map<number, ReadonlySet<number>>();

  constructor(target: Window, listener: ControlsListener) {
    this.#listener = listener;
    target.addEventListener('keydown', (event) => this.#onKeyDown(event));
    target.addEventListener('keyup', ({ code }) => void this.#held.delete(code));
    target.addEventListener('blur', () => this.#held.clear());
    target.addEventListener('pointerdown', (event) => this.#onPointerDown(event));
    target.addEventListener('pointermove', (event) => {
      if (event.pointerId === this.#targetPointer) this.#target = placeOf(event);
    });
    for (const type of ['pointerup', 'pointercancel'] as const) {
      target.addEventListener(type, ({ pointerId }) => {
        if (pointerId !== this.#targetPointer) return;
        this.#target = undefined;
        this.#targetPointer = undefined;
      });
    }
    // A long touch is no wish for a menu.
    target.addEventListener('contextmenu', (event) => event.preventDefault());
  }

  /** Where a pointer that is down wants to go. */
  get target(): PicturePlace | undefined {
    return this.#target;
  }

  /** Looks at the gamepads as well, which tell nothing by themselves. Once a frame. */
  steer(): Steering {
    const wishes = [...this.#held].flatMap((code) => STEERING_KEYS[code] ?? []);
    for (const pad of navigator.getGamepads())
      if (pad?.connected === true) wishes.push(this.#steerByPad(pad));
    const sum = wishes.reduce((total, { x, y }) => ({ x: total.x + x, y: total.y + y }), { x: 0, y: 0 });
    const length = Math.max(1, Math.hypot(sum.x, sum.y));
    return { x: sum.x / length, y: sum.y / length };
  }

  #onKeyDown(event: KeyboardEvent): void {
    const { code, repeat } = event;
    const steers = STEERING_KEYS[code] !== undefined;
    if (steers || ACTING_KEYS.has(code)) event.preventDefault();
    if (repeat) return;
    this.#listener.onPress();
    if (steers) this.#held.add(code);
    else if (ACTING_KEYS.has(code)) this.#listener.onAct(undefined);
  }

  #onPointerDown(event: PointerEvent): void {
    this.#listener.onPress();
    this.#target = placeOf(event);
    this.#targetPointer = event.pointerId;
    this.#listener.onAct(this.#target);
  }

  #steerByPad({ index, axes, buttons }: Gamepad): Steering {
    const before = this.#padButtons.get(index);
    const down = new Set(buttons.flatMap(({ pressed }, button) => (pressed ? [button] : [])));
    this.#padButtons.set(index, down);
    for (const button of down) {
      if (before?.has(button) === true) continue;
      this.#listener.onPress();
      if (button === PAD_ACT) this.#listener.onAct(undefined);
    }
    const [x = 0, y = 0] = axes;
    const wish = Math.hypot(x, y) < DEAD_ZONE ? { x: 0, y: 0 } : { x, y: -y };
    for (const [button, { x: right, y: away }] of PAD_DIRECTIONS) {
      if (!down.has(button)) continue;
      wish.x += right;
      wish.y += away;
    }
    return wish;
  }
}

function placeOf({ clientX, clientY }: PointerEvent): PicturePlace {
  const { clientWidth, clientHeight } = document.documentElement;
  return { x: clientX / clientWidth, y: clientY / clientHeight };
}
