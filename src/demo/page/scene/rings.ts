import { Mesh, quad } from './mesh.js';
import type { Color } from './palette.js';

const SEGMENTS = 48;
const MAX_RINGS = 4;
const LIFE_S = 4;

/** Rings of light that spread over the water. */
export class Rings {
  readonly #mesh: Mesh;
  #rings: { x: number; y: number; startS: number }[] = [];

  constructor(gl: WebGL2RenderingContext) {
    this.#mesh = new Mesh(gl, [2, 3]);
  }

  add(x: number, y: number, timeS: number): void {
    this.#rings.push({ x, y, startS: timeS });
    if (this.#rings.length > MAX_RINGS) this.#rings.shift();
  }

  shape(timeS: number, color: Color): void {
    this.#rings = this.#rings.filter(({ startS }) => timeS - startS < LIFE_S);
    const vertices: number[] = [];
    const indices: number[] = [];
    for (const { x, y, startS } of this.#rings) {
      const ageS = timeS - startS;
      const light = 0.9 * Math.exp(-ageS * 1.1) * Math.min(1, (LIFE_S - ageS) * 2);
      for (let segment = 0; segment <= SEGMENTS; segment++) {
        const angle = (segment / SEGMENTS) * 2 * Math.PI;
        const first = vertices.length / 5;
        for (let row = -1; row <= 1; row++) {
          const radius = Math.max(0, ageS * 0.62 + row * (0.03 + ageS * 0.035));
          // Seen at a low angle a circle on the water is flat; beyond the horizon there is none.
          vertices.push(x + Math.cos(angle) * radius, Math.min(0, y + Math.sin(angle) * radius * 0.2));
          const peak = row === 0 ? light : 0;
          vertices.push(color[0] * peak, color[1] * peak, color[2] * peak);
        }
        if (segment > 0) {
          indices.push(...quad(first - 3, first - 2, first, first + 1));
          indices.push(...quad(first - 2, first - 1, first + 1, first + 2));
        }
      }
    }
    this.#mesh.fill(vertices, indices);
  }

  draw(): void {
    this.#mesh.draw();
  }
}
