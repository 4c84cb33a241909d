/** A linked WebGL program whose uniforms are set by name. */
export class GlProgram {
  readonly #gl: WebGL2RenderingContext;
  readonly #program: WebGLProgram;
  readonly #locations = new Map<string, WebGLUniformLocation | null>();

  /** @throws Error with the compiler's words when the shaders do not build. */
  constructor(gl: WebGL2RenderingContext, vertexSource: string, fragmentSource: string) {
    this.#gl = gl;
    this.#program = gl.createProgram();
    gl.attachShader(this.#program, compile(gl, gl.VERTEX_SHADER, vertexSource));
    gl.attachShader(this.#program, compile(gl, gl.FRAGMENT_SHADER, fragmentSource));
    gl.linkProgram(this.#program);
    if (gl.getProgramParameter(this.#program, gl.LINK_STATUS) !== true) {
      throw new Error(gl.getProgramInfoLog(this.#program) ?? 'The shader program does not link.');
    }
  }

  use(): this {
    this.#gl.useProgram(this.#program);
    return this;
  }

  /** Sets a float or a vec3. The program must be in use. */
  set(name: string, value: number | readonly number[]): this {
    const location = this.#locate(name);
    if (typeof value === 'number') this.#gl.uniform1f(location, value);
    else this.#gl.uniform3fv(location, value);
    return this;
  }

  #locate(name: string): WebGLUniformLocation | null {
    let location = this.#locations.get(name);
    if (location === undefined) {
      location = this.#gl.getUniformLocation(this.#program, name);
      this.#locations.set(name, location);
    }
    return location;
  }
}

function compile(gl: WebGL2RenderingContext, type: GLenum, source: string): WebGLShader {
  const shader = gl.createShader(type);
  if (shader === null) throw new Error('WebGL has lost its context');
  gl.shaderSource(shader, source);
  gl.compileShader(shader);
  if (gl.getShaderParameter(shader, gl.COMPILE_STATUS) !== true) {
    throw new Error(gl.getShaderInfoLog(shader) ?? 'A shader does not compile.');
  }
  return shader;
}
