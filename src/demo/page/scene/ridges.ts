import { Mesh, quad } from './mesh.js';

const LAYERS = 4;
const COLUMNS = 68;
/** Height over which an outline fades out. */
const FEATHER = 0.009;
const OCTAVES = 5;
/** Wider than the widest picture, so that the camera may sway. */
const HALF_WIDTH = 1.95;

/** Rows of mountains, low in the middle and higher at the shores; the seed decides their shape. */
export class Ridges {
  readonly #mesh: Mesh;

  constructor(gl: WebGL2RenderingContext, random: () => number) {
    this.#mesh = new Mesh(gl, [2, 2]);
    const vertices: number[] = [];
    const indices: number[] = [];
    for (let layer = 0; layer < LAYERS; layer++) {
      const depth = layer / (LAYERS - 1);
      const noise = ridgedNoise(random);
      let previousHeight = 0;
      for (let column = 0; column < COLUMNS; column++) {
        const x = ((column / (COLUMNS - 1)) * 2 - 1) * HALF_WIDTH;
        const first = vertices.length / 4;
        const height = Math.max(0, slope(x, depth) * (noise(x * mix(1.5, 2.2, depth)) * 0.62 - 0.1));
        vertices.push(x, 0, depth, 0, x, height, depth, 1, x, height + FEATHER, depth, 2);
        if (column > 0 && height + previousHeight > 0) {
          indices.push(...quad(first - 3, first - 2, first, first + 1));
          indices.push(...quad(first - 2, first - 1, first + 1, first + 2));
        }
        previousHeight = height;
      }
    }
    this.#mesh.fill(vertices, indices);
  }

  draw(): void {
    this.#mesh.draw();
  }
}

/** How high mountains may be here. The near ones leave the middle open, as the shores of a fjord do. */
function slope(x: number, depth: number): number {
  const from = mix(-0.6, 0.35, depth);
  const side = smoothstep((Math.abs(x + 0.1 * depth) - from) / (mix(0.5, 1.75, depth) - from));
  return mix(0.85, 1.25, depth) * mix(mix(0.62, 0, depth), 1, side);
}

/** Noise with sharp crests, 0–1. */
function ridgedNoise(random: () => number): (x: number) => number {
  const table = Array.from({ length: 256 }, random);
  const valueAt = (x: number): number => {
    const cell = Math.floor(x);
    const [left = 0, right = 0] = [table[cell & 255], table[(cell + 1) & 255]];
    return mix(left, right, smoothstep(x - cell));
  };
  return (x) => {
    let [sum, weight, at] = [0, 0.5, x + 100];
    for (let octave = 0; octave < OCTAVES; octave++) {
      sum += weight * (1 - Math.abs(valueAt(at) * 2 - 1));
      at = at * 2.03 + 17;
      weight *= 0.48;
    }
    return sum;
  };
}

function mix(from: number, to: number, part: number): number {
  return from + (to - from) * part;
}

function smoothstep(value: number): number {
  const part = Math.min(1, Math.max(0, value));
  return part * part * (3 - 2 * part);
}
