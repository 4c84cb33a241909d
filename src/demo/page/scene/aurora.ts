import { Mesh, quad } from './mesh.js';
import type { Palette } from './palette.js';

const CURTAINS = 2;
const COLUMNS = 60;
const ROWS = 4;
/** Columns dimmer than this are left out: what cannot be seen must not be filled. */
const LEAST_POWER = 0.03;

/** Curtains of light, computed column by column and drawn as one mesh of colours to be added to the sky. */
export class Aurora {
  readonly #mesh: Mesh;

  constructor(gl: WebGL2RenderingContext) {
    this.#mesh = new Mesh(gl, [2, 3]);
  }

  /** @param power Brightness, about 1. */
  shape(timeS: number, aspect: number, power: number, { auroraLow, auroraHigh }: Palette): void {
    const vertices: number[] = [];
    const indices: number[] = [];
    for (let curtain = 0; curtain < CURTAINS; curtain++) {
      let previousLit = false;
      for (let column = 0; column < COLUMNS; column++) {
        const x = ((column / (COLUMNS - 1)) * 2 - 1) * aspect * 1.15;
        const light = power * brightness(x, timeS, curtain);
        const lit = light > LEAST_POWER;
        const first = vertices.length / 5;
        const rays = raysAt(x, timeS, curtain);
        const foldedX = x + 0.1 * Math.sin(x * 3.1 + timeS * 0.21 + curtain * 1.7);
        const base = baseline(x, timeS, curtain);
        const rows = [-0.045, 0, 0.18, 0.4 + 0.2 * rays];
        // Nothing at the lower edge, full light, the upper colour, and out into the dark.
        const low = [0, light, light * 0.15, 0];
        const high = [0, 0, light * 0.28, 0];
        for (let row = 0; row < ROWS; row++) {
          const [l, h] = [low[row] ?? 0, high[row] ?? 0];
          vertices.push(foldedX, base + (rows[row] ?? 0));
          vertices.push(auroraLow[0] * l + auroraHigh[0] * h);
          vertices.push(auroraLow[1] * l + auroraHigh[1] * h);
          vertices.push(auroraLow[2] * l + auroraHigh[2] * h);
        }
        if (column > 0 && (lit || previousLit)) {
          for (let row = 0; row < ROWS - 1; row++) {
            const left = first - ROWS + row;
            indices.push(...quad(left, left + 1, first + row, first + row + 1));
          }
        }
        previousLit = lit;
      }
    }
    this.#mesh.fill(vertices, indices);
  }

  draw(): void {
    this.#mesh.draw();
  }
}

function baseline(x: number, timeS: number, curtain: number): number {
  const wave =
    0.11 * Math.sin(x * 1.15 + timeS * 0.09 + curtain * 2.1) + 0.05 * Math.sin(x * 2.7 - timeS * 0.15);
  return 0.45 + 0.16 * curtain + wave;
}

/** The fine upright rays, 0–1. */
function raysAt(x: number, timeS: number, curtain: number): number {
  return 0.5 + 0.5 * Math.sin(x * 13 + 4 * Math.sin(x * 2.3 + timeS * 0.23 + curtain) + timeS * 0.7);
}

/** Rays within veils that come and go. */
function brightness(x: number, timeS: number, curtain: number): number {
  const drift =
    Math.sin(x * 1.3 + timeS * 0.11 + curtain * 2.4) + Math.sin(x * 2.9 - timeS * 0.07 + curtain * 4.1);
  const veil = Math.min(1, Math.max(0, drift * 0.6 + 0.35));
  return veil * veil * (3 - 2 * veil) * (0.35 + 0.65 * raysAt(x, timeS, curtain)) * (1 - 0.2 * curtain);
}
