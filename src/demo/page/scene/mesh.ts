/** Vertices in one interleaved buffer, drawn as triangles. */
export class Mesh {
  readonly #gl: WebGL2RenderingContext;
  readonly #array: WebGLVertexArrayObject;
  readonly #vertices: WebGLBuffer;
  readonly #indices: WebGLBuffer;
  #indexCount = 0;

  /** @param layout Number of floats of each attribute, in the order of their locations. */
  constructor(gl: WebGL2RenderingContext, layout: readonly number[]) {
    this.#gl = gl;
    this.#array = gl.createVertexArray();
    this.#vertices = gl.createBuffer();
    this.#indices = gl.createBuffer();
    gl.bindVertexArray(this.#array);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.#vertices);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, this.#indices);
    const stride = layout.reduce((sum, floats) => sum + floats, 0) * Float32Array.BYTES_PER_ELEMENT;
    let offset = 0;
    layout.forEach((floats, location) => {
      gl.enableVertexAttribArray(location);
      gl.vertexAttribPointer(location, floats, gl.FLOAT, false, stride, offset);
      offset += floats * Float32Array.BYTES_PER_ELEMENT;
    });
    gl.bindVertexArray(null);
  }

  /** Replaces vertices and triangles. */
  fill(vertices: readonly number[], indices: readonly number[]): void {
    const gl = this.#gl;
    gl.bindVertexArray(this.#array);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.#vertices);
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array(vertices), gl.DYNAMIC_DRAW);
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, new Uint16Array(indices), gl.DYNAMIC_DRAW);
    gl.bindVertexArray(null);
    this.#indexCount = indices.length;
  }

  /** Draws with the program in use. */
  draw(): void {
    if (this.#indexCount === 0) return;
    this.#gl.bindVertexArray(this.#array);
    this.#gl.drawElements(this.#gl.TRIANGLES, this.#indexCount, this.#gl.UNSIGNED_SHORT, 0);
    this.#gl.bindVertexArray(null);
  }
}

/** The two triangles of a quad whose corners are two pairs of neighbours: a–b at one edge, c–d at the other. */
export function quad(a: number, b: number, c: number, d: number): readonly number[] {
  return [a, b, c, c, b, d];
}
