import type { Steering } from './controls.js';
import type { Glow } from './glow-field.js';
import { hsl } from './palette.js';

/** A place on the water: `y` is below 0, the nearer the lower. */
export interface WaterPlace {
  readonly x: number;
  readonly y: number;
}

const NEAR_Y = -0.52;
const FAR_Y = -0.06;
/** How far to the sides, of the picture's width over its height. */
const SIDE_SHARE = 0.92;
const SPEED = 1.5;
/** Water brakes: how fast speed follows what is wanted, per second. */
const FOLLOW_PER_S = 4;
/** Ways over the water look shorter away from us than to the side. */
const DEPTH_SHARE = 0.45;
const WAKE_INTERVAL_S = 0.05;
const WAKE_LIFE_S = 1.6;
const MAX_WAKE = 32;
const HUE = 190;

/** A boat with a light, that is steered over the water. */
export class Boat {
  #x = 0;
  #y = -0.3;
  #velocityX = 0;
  #velocityY = 0;
  #wake: { x: number; y: number; ageS: number }[] = [];
  #wakeDueS = 0;
  /** Steered at least once: until then it is not to be seen. */
  #light = 0;
  #isSteered = false;

  get place(): WaterPlace {
    return { x: this.#x, y: this.#y };
  }

  get isSteered(): boolean {
    return this.#isSteered;
  }

  /** @param target - where it is to go; undefined: where `steering` says. */
  advance(steering: Steering, target: WaterPlace | undefined, aspect: number, elapsedS: number): void {
    const wish = target === undefined ? steering : this.#towards(target);
    if (wish.x !== 0 || wish.y !== 0) this.#isSteered = true;
    if (this.#isSteered) this.#light = Math.min(1, this.#light + elapsedS * 2);
    const follow = 1 - Math.exp(-elapsedS * FOLLOW_PER_S);
    this.#velocityX += (wish.x * SPEED - this.#velocityX) * follow;
    this.#velocityY += (wish.y * SPEED * DEPTH_SHARE - this.#velocityY) * follow;
    const side = aspect * SIDE_SHARE;
    this.#x = Math.min(side, Math.max(-side, this.#x + this.#velocityX * elapsedS));
    this.#y = Math.min(FAR_Y, Math.max(NEAR_Y, this.#y + this.#velocityY * elapsedS));
    this.#leaveWake(elapsedS);
  }

  glows(timeS: number): Glow[] {
    if (this.#light === 0) return [];
    const size = sizeAt(this.#y);
    const { x } = this.place;
    const y = this.#y + Math.sin(timeS * 1.7) * size * 0.08;
    const light = this.#light * (0.94 + 0.06 * Math.sin(timeS * 5));
    const wake = this.#wake.map(({ x, y, ageS }) => {
      const left = 1 - ageS / WAKE_LIFE_S;
      const width = sizeAt(y) * (0.5 + ageS * 1.4);
      return { x, y, width, height: width * 0.18, color: hsl(HUE, 0.7, 0.16 * left * left) };
    });
    return [
      ...wake,
      { x, y: y - size * 1.7, width: size * 0.6, height: size * 2.4, color: hsl(HUE, 0.8, 0.22 * light) },
      { x, y, width: size * 3.8, height: size * 3.4, color: hsl(HUE, 0.9, 0.2 * light) },
      // The hull, flat on the water, and the lamp over it.
      {
        x,
        y: y - size * 0.5,
        width: size * 1.7,
        height: size * 0.34,
        color: hsl(HUE - 14, 0.6, 0.5 * light),
      },
      { x, y: y + size * 0.3, width: size * 0.6, height: size * 0.8, color: hsl(HUE + 10, 1, 0.86 * light) },
    ];
  }

  /** Slower the nearer it is, so that it does not shoot past. */
  #towards({ x, y }: WaterPlace): Steering {
    const way = { x: (x - this.#x) * 4, y: ((y - this.#y) * 4) / DEPTH_SHARE };
    const length = Math.max(1, Math.hypot(way.x, way.y));
    return { x: way.x / length, y: way.y / length };
  }

  #leaveWake(elapsedS: number): void {
    for (const one of this.#wake) one.ageS += elapsedS;
    this.#wake = this.#wake.filter(({ ageS }) => ageS < WAKE_LIFE_S);
    this.#wakeDueS -= elapsedS;
    if (this.#wakeDueS > 0 || Math.hypot(this.#velocityX, this.#velocityY) < 0.1) return;
    this.#wakeDueS = WAKE_INTERVAL_S;
    if (this.#wake.length < MAX_WAKE) this.#wake.push({ x: this.#x, y: this.#y - 0.015, ageS: 0 });
  }
}

/** Nearer is larger. */
export function sizeAt(y: number): number {
  return 0.018 + -y * 0.075;
}
