import { sizeAt, type WaterPlace } from './boat.js';
import type { Glow } from './glow-field.js';
import { hsl } from './palette.js';

const MAX_STARS = 6;
const INTERVAL_S = 1.6;
const FALL_S = 1.1;
/** How long one lies on the water before it goes out. */
const LIFE_S = 14;
const FADE_S = 2;
/** From how far the boat takes one up, in sizes of the boat. */
const REACH = 3.2;
const HUE = 46;

interface FallenStar {
  readonly x: number;
  readonly y: number;
  readonly phase: number;
  ageS: number;
}

/** Stars that fall on the water, where a boat may gather them. */
export class FallenStars {
  readonly #random: () => number;
  #stars: FallenStar[] = [];
  #dueS = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  /** @returns where the boat took one up. */
  advance(boat: WaterPlace | undefined, aspect: number, elapsedS: number): WaterPlace[] {
    this.#dueS -= elapsedS;
    if (this.#dueS <= 0 && this.#stars.length < MAX_STARS) {
      this.#dueS = INTERVAL_S;
      const y = -0.1 - this.#random() * 0.38;
      const x = (this.#random() * 2 - 1) * aspect * 0.85;
      this.#stars.push({ x, y, phase: this.#random() * 6.3, ageS: 0 });
    }
    const gathered: WaterPlace[] = [];
    this.#stars = this.#stars.filter((star) => {
      star.ageS += elapsedS;
      if (boat !== undefined && star.ageS > FALL_S && isWithinReach(boat, star)) {
        gathered.push({ x: star.x, y: star.y });
        return false;
      }
      return star.ageS < LIFE_S;
    });
    return gathered;
  }

  glows(timeS: number): Glow[] {
    return this.#stars.flatMap((star) => {
      const fallen = Math.min(1, star.ageS / FALL_S);
      const height = (1 - fallen) ** 1.5;
      const x = star.x + height * 0.5;
      const y = star.y + height * 1.3;
      const left = Math.min(1, (LIFE_S - star.ageS) / FADE_S);
      const light = left * (0.8 + 0.2 * Math.sin(timeS * 4 + star.phase));
      const size = sizeAt(star.y) * 0.7;
      const trail =
        height === 0
          ? [
              {
                x,
                y: y - size * 1.6,
                width: size * 0.5,
                height: size * 1.8,
                color: hsl(HUE, 0.9, 0.2 * light),
              },
            ]
          : [0.06, 0.12, 0.18].map((behind, index) => ({
              ...{ x: x + behind * 0.38, y: y + behind, width: size * 0.7, height: size * 0.7 },
              color: hsl(HUE, 0.8, 0.4 - index * 0.12),
            }));
      return [
        ...trail,
        { x, y, width: size * 2.8, height: size * 2.6, color: hsl(HUE, 0.9, 0.22 * light) },
        { x, y, width: size * 0.6, height: size * 0.7, color: hsl(HUE + 8, 1, 0.85 * light) },
      ];
    });
  }
}

function isWithinReach(boat: WaterPlace, star: WaterPlace): boolean {
  // A circle on the water looks flat.
  return Math.hypot(boat.x - star.x, (boat.y - star.y) * 2) < REACH * sizeAt(star.y);
}
