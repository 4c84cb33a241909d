import type { Glow } from './glow-field.js';
import { hsl } from './palette.js';

/** More viewers than this share lanterns: the water has only so much room. */
const MAX_LANTERNS = 24;
const MAX_SPARKS = 90;
/** Seconds that a lantern takes to light up or to go out. */
const FADE_S = 1.5;

interface Lantern {
  x: number;
  y: number;
  phase: number;
  hue: number;
  light: number;
  lit: boolean;
}

interface Spark {
  x: number;
  y: number;
  velocityX: number;
  velocityY: number;
  ageS: number;
  lifeS: number;
  hue: number;
}

/** A lantern on the water for every viewer, and sparks that rise from them. */
export class Lanterns {
  readonly #random: () => number;
  readonly #lanterns: Lantern[] = [];
  #sparks: Spark[] = [];

  constructor(random: () => number) {
    this.#random = random;
  }

  setCount(count: number): void {
    const wanted = Math.min(MAX_LANTERNS, Math.max(0, Math.trunc(count)));
    const lit = this.#lanterns.filter((lantern) => lantern.lit);
    for (const lantern of lit.slice(wanted)) lantern.lit = false;
    for (let index = lit.length; index < wanted; index++) this.#lanterns.push(this.#launch());
  }

  /** Sends sparks up from every lantern, and some from the middle so that a pulse shows without any. */
  burst(): void {
    for (let index = 0; index < 36; index++) {
      const source = this.#lanterns[Math.floor(this.#random() * this.#lanterns.length)];
      this.#spark(source?.x ?? (this.#random() - 0.5) * 0.5, source?.y ?? -0.2, 0.5);
    }
  }

  /** Moves on by `elapsedS` and lists what is to be drawn. */
  advance(timeS: number, elapsedS: number): Glow[] {
    const glows: Glow[] = [];
    for (const lantern of this.#lanterns) {
      const step = elapsedS / FADE_S;
      lantern.light = Math.min(1, Math.max(0, lantern.light + (lantern.lit ? step : -step)));
      if (this.#random() < elapsedS * 0.35 * lantern.light) this.#spark(lantern.x, lantern.y, 0.12);
      this.#draw(lantern, timeS, glows);
    }
    for (let index = this.#lanterns.length - 1; index >= 0; index--) {
      const lantern = this.#lanterns[index];
      if (lantern && !lantern.lit && lantern.light === 0) this.#lanterns.splice(index, 1);
    }
    this.#sparks = this.#sparks.filter((spark) => {
      spark.ageS += elapsedS;
      spark.x += (spark.velocityX + Math.sin(timeS * 2 + spark.lifeS * 40) * 0.03) * elapsedS;
      spark.y += spark.velocityY * elapsedS;
      spark.velocityY *= 1 - 0.5 * elapsedS;
      return spark.ageS < spark.lifeS;
    });
    for (const spark of this.#sparks) {
      const light = Math.sin((spark.ageS / spark.lifeS) * Math.PI);
      const color = hsl(spark.hue, 0.9, 0.6 * light);
      glows.push({ x: spark.x, y: spark.y, width: 0.013, height: 0.013, color });
    }
    return glows;
  }

  #launch(): Lantern {
    const depth = 0.12 + this.#random() * 0.38;
    return {
      x: (this.#random() * 2 - 1) * (0.35 + depth * 1.8),
      y: -depth,
      phase: this.#random() * 6.3,
      hue: 24 + this.#random() * 22,
      light: 0,
      lit: true,
    };
  }

  #spark(x: number, y: number, speed: number): void {
    if (this.#sparks.length >= MAX_SPARKS) return;
    this.#sparks.push({
      x: x + (this.#random() - 0.5) * 0.03,
      y: y + 0.03,
      velocityX: (this.#random() - 0.5) * speed * 0.6,
      velocityY: speed * (0.5 + this.#random()),
      ageS: 0,
      lifeS: 1.5 + this.#random() * 2.5,
      hue: 24 + this.#random() * 30,
    });
  }

  /** The flame, its halo, and its streak on the water. Nearer ones are larger. */
  #draw(lantern: Lantern, timeS: number, glows: Glow[]): void {
    const size = 0.018 + -lantern.y * 0.075;
    const x = lantern.x + Math.sin(timeS * 0.17 + lantern.phase) * 0.06;
    const y = lantern.y + Math.sin(timeS * 0.9 + lantern.phase) * size * 0.12;
    const flicker = lantern.light * (0.9 + 0.1 * Math.sin(timeS * 7 + lantern.phase * 3));
    glows.push(
      {
        x,
        y: y - size * 1.9,
        width: size * 0.7,
        height: size * 2.2,
        color: hsl(lantern.hue, 0.9, 0.2 * flicker),
      },
      { x, y, width: size * 3.2, height: size * 3, color: hsl(lantern.hue, 0.9, 0.15 * flicker) },
      { x, y, width: size * 0.72, height: size, color: hsl(lantern.hue + 8, 1, 0.62 * flicker) },
      {
        x,
        y: y - size * 0.2,
        width: size * 0.4,
        height: size * 0.5,
        color: hsl(lantern.hue + 16, 1, 0.8 * flicker),
      },
    );
  }
}
