import { Mesh, quad } from './mesh.js';
import type { Color, Palette } from './palette.js';

const CURTAINS = 2;
const COLUMNS = 46;
/** Heights over the water at which the sky has the colours of the palette. */
const SKY_HEIGHTS = [0, 0.14, 0.42, 0.85, 1.4] as const;
/** Those of them that need vertices of their own; in between, the aurora has enough. */
const SKY_ROWS = [0, 0.14, 1.4] as const;

/** One curtain of the aurora in one column: how bright it is at four heights, in its lower and upper colour. */
interface Curtain {
  heights: readonly number[];
  low: readonly number[];
  high: readonly number[];
}

/**
 * Sky and aurora as one opaque mesh. To add curtains of light to a finished sky would cost a blend for every
 * fragment; instead each column has a row of vertices wherever the sum of all lights bends.
 */
export class Sky {
  readonly #mesh: Mesh;

  constructor(gl: WebGL2RenderingContext) {
    this.#mesh = new Mesh(gl, [2, 3]);
  }

  /** @param power Brightness of the aurora, about 1. */
  shape(timeS: number, aspect: number, power: number, palette: Palette): void {
    const vertices: number[] = [];
    const indices: number[] = [];
    const skyChannels = ([0, 1, 2] as const).map((index) => palette.sky.map((color) => color[index]));
    for (let column = 0; column < COLUMNS; column++) {
      const x = ((column / (COLUMNS - 1)) * 2 - 1) * aspect * 1.1;
      const curtains = Array.from({ length: CURTAINS }, (_, index) => curtainAt(x, timeS, power, index));
      const heights = [...SKY_ROWS, ...curtains.flatMap((curtain) => curtain.heights)].sort((a, b) => a - b);
      const foldedX = x + 0.06 * Math.sin(x * 3.1 + timeS * 0.21);
      const first = vertices.length / 5;
      heights.forEach((height, row) => {
        vertices.push(foldedX, height, ...lightAt(height, curtains, palette, skyChannels));
        if (column === 0 || row === 0) return;
        const left = first + row - heights.length;
        indices.push(...quad(left - 1, left, first + row - 1, first + row));
      });
    }
    this.#mesh.fill(vertices, indices);
  }

  draw(): void {
    this.#mesh.draw();
  }
}

function lightAt(
  height: number,
  curtains: readonly Curtain[],
  palette: Palette,
  skyChannels: readonly (readonly number[])[],
): Color {
  let low = 0;
  let high = 0;
  for (const curtain of curtains) {
    low += interpolate(height, curtain.heights, curtain.low);
    high += interpolate(height, curtain.heights, curtain.high);
  }
  const channel = (index: 0 | 1 | 2): number => {
    const aurora = palette.auroraLow[index] * low + palette.auroraHigh[index] * high;
    return interpolate(height, SKY_HEIGHTS, skyChannels[index] ?? []) + aurora;
  };
  return [channel(0), channel(1), channel(2)];
}

function curtainAt(x: number, timeS: number, power: number, index: number): Curtain {
  const wave =
    0.11 * Math.sin(x * 1.15 + timeS * 0.09 + index * 2.1) + 0.05 * Math.sin(x * 2.7 - timeS * 0.15);
  const base = 0.43 + 0.17 * index + wave;
  // Upright rays within veils that come and go.
  const rays = 0.5 + 0.5 * Math.sin(x * 13 + 4 * Math.sin(x * 2.3 + timeS * 0.23 + index) + timeS * 0.7);
  const drift =
    Math.sin(x * 1.3 + timeS * 0.11 + index * 2.4) + Math.sin(x * 2.9 - timeS * 0.07 + index * 4.1);
  const veil = Math.min(1, Math.max(0, drift * 0.6 + 0.35));
  const light = power * veil * veil * (3 - 2 * veil) * (0.35 + 0.65 * rays) * (1 - 0.2 * index);
  return {
    heights: [base - 0.045, base, base + 0.2, base + 0.5 + 0.2 * rays],
    low: [0, light, light * 0.15, 0],
    high: [0, 0, light * 0.3, 0],
  };
}

/** The value at a place, straight between given points; beyond them the nearest one's. */
function interpolate(at: number, places: readonly number[], values: readonly number[]): number {
  for (let index = 1; index < places.length; index++) {
    const [left = 0, right = 0] = [places[index - 1], places[index]];
    if (at > right) continue;
    const part = Math.min(1, Math.max(0, (at - left) / (right - left)));
    return (values[index - 1] ?? 0) * (1 - part) + (values[index] ?? 0) * part;
  }
  return values.at(-1) ?? 0;
}
