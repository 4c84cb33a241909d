import { Mesh, quad } from './mesh.js';
import type { Color } from './palette.js';

/** One soft spot of light. */
export interface Glow {
  x: number;
  /** Height over the water. */
  y: number;
  width: number;
  height: number;
  color: Color;
  /** 0: steady; 1: goes out at times. */
  twinkle?: number;
  /** Radians a second. */
  twinkleSpeed?: number;
  twinklePhase?: number;
}

const CORNERS = [
  [-1, -1],
  [1, -1],
  [-1, 1],
  [1, 1],
] as const;

/** Glows that are drawn with one call. */
export class GlowField {
  readonly #mesh: Mesh;

  constructor(gl: WebGL2RenderingContext, glows: readonly Glow[] = []) {
    this.#mesh = new Mesh(gl, [2, 2, 3, 3]);
    this.fill(glows);
  }

  fill(glows: readonly Glow[]): void {
    const vertices: number[] = [];
    const indices: number[] = [];
    glows.forEach(
      ({ x, y, width, height, color, twinkle = 0, twinkleSpeed = 0, twinklePhase = 0 }, index) => {
        for (const [cornerX, cornerY] of CORNERS) {
          vertices.push(x + cornerX * width, y + cornerY * height, cornerX, cornerY);
          vertices.push(...color, twinkle, twinkleSpeed, twinklePhase);
        }
        const first = index * CORNERS.length;
        indices.push(...quad(first, first + 1, first + 2, first + 3));
      },
    );
    this.#mesh.fill(vertices, indices);
  }

  draw(): void {
    this.#mesh.draw();
  }
}
