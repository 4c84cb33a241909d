import { GlProgram } from './gl-program.js';
import { GlowField, type Glow } from './glow-field.js';
import { hsl, paletteOf, type Color, type Palette } from './palette.js';
import { Ridges } from './ridges.js';
import { Rings } from './rings.js';
import { seededRandom } from './seeded-random.js';
import {
  FLAT_FRAGMENT,
  GLOW_FRAGMENT,
  GLOW_VERTEX,
  MESH_VERTEX,
  RIDGE_FRAGMENT,
  RIDGE_VERTEX,
  WATER_FRAGMENT,
  WATER_VERTEX,
} from './shaders.js';
import { Sky } from './sky.js';

/** Height of the waterline in clip space, −1 to 1. */
export const HORIZON = -0.3;
const WATER_ROWS = 32;
/** A reflection is drawn anew every so many frames. */
const REFLECTION_INTERVAL = 3;
const STARS = 80;
const GLINTS = 60;
const WHITE = [1, 1, 1] as const;

/** What changes from one frame to the next. */
export interface LandscapeFrame {
  timeS: number;
  /** Degrees. */
  hue: number;
  /** Brightness of the aurora, about 1. */
  auroraPower: number;
  /** Lanterns and sparks. */
  lights: readonly Glow[];
}

/** A fjord at night under an aurora, drawn with WebGL 2. */
export class Landscape {
  readonly #gl: WebGL2RenderingContext;
  readonly #flatProgram: GlProgram;
  readonly #ridgeProgram: GlProgram;
  readonly #glowProgram: GlProgram;
  readonly #waterProgram: GlProgram;
  readonly #sky: Sky;
  readonly #stars: GlowField;
  readonly #moon: GlowField;
  readonly #ridges: Ridges;
  readonly #rings: Rings;
  readonly #glints: GlowField;
  readonly #lights: GlowField;
  readonly #reflection: WebGLTexture;
  readonly #reflectionTarget: WebGLFramebuffer;
  #reflectionSize = '';
  #frames = 0;

  /** @throws Error where WebGL 2 is not to be had. */
  constructor(canvas: HTMLCanvasElement, seed: number) {
    const gl = canvas.getContext('webgl2', { alpha: false, antialias: false, depth: false, stencil: false });
    if (gl === null) throw new Error('This browser has no WebGL 2');
    const random = seededRandom(seed);
    this.#gl = gl;
    this.#flatProgram = new GlProgram(gl, MESH_VERTEX, FLAT_FRAGMENT);
    this.#ridgeProgram = new GlProgram(gl, RIDGE_VERTEX, RIDGE_FRAGMENT);
    this.#glowProgram = new GlProgram(gl, GLOW_VERTEX, GLOW_FRAGMENT);
    this.#waterProgram = new GlProgram(gl, WATER_VERTEX, WATER_FRAGMENT);
    this.#sky = new Sky(gl);
    this.#moon = new GlowField(gl);
    this.#ridges = new Ridges(gl, random);
    this.#rings = new Rings(gl);
    this.#stars = new GlowField(
      gl,
      Array.from({ length: STARS }, () => star(random)),
    );
    this.#glints = new GlowField(
      gl,
      Array.from({ length: GLINTS }, () => glint(random)),
    );
    this.#lights = new GlowField(gl);
    this.#reflection = gl.createTexture();
    this.#reflectionTarget = gl.createFramebuffer();
    gl.blendFunc(gl.ONE, gl.ONE);
  }

  /** Starts a ring of light on the water. */
  addRing(x: number, y: number, timeS: number): void {
    this.#rings.add(x, y, timeS);
  }

  draw(frame: LandscapeFrame): void {
    const gl = this.#gl;
    const { width, height } = gl.canvas;
    const palette = paletteOf(frame.hue);
    this.#shapeAbove(frame, palette);
    // The ripples blur the reflection, so that half of the size and a third of the rate are enough for it.
    if (this.#frames++ % REFLECTION_INTERVAL === 0) {
      const [targetWidth, targetHeight] = [width >> 1, height >> 1];
      const horizonPx = Math.round(((HORIZON + 1) / 2) * targetHeight);
      this.#bindReflection(targetWidth, targetHeight - horizonPx);
      // The viewport reaches below the texture, so that both targets share one system of coordinates.
      gl.viewport(0, -horizonPx, targetWidth, targetHeight);
      this.#drawAbove(frame, palette);
      gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    }
    gl.viewport(0, 0, width, height);
    this.#drawAbove(frame, palette);
    this.#drawWater(frame.timeS);
    gl.enable(gl.BLEND);
    this.#rings.shape(frame.timeS, palette.auroraLow);
    this.#use(this.#flatProgram);
    this.#rings.draw();
    this.#use(this.#glowProgram).set('u_time', frame.timeS).set('u_tint', palette.fog);
    this.#glints.draw();
    this.#glowProgram.set('u_tint', WHITE);
    this.#lights.fill(frame.lights);
    this.#lights.draw();
    gl.disable(gl.BLEND);
  }

  #shapeAbove(frame: LandscapeFrame, palette: Palette): void {
    const aspect = this.#gl.canvas.width / this.#gl.canvas.height;
    this.#moon.fill(moon(palette, frame.timeS));
    this.#sky.shape(frame.timeS, aspect, frame.auroraPower, palette);
  }

  #drawAbove(frame: LandscapeFrame, palette: Palette): void {
    const gl = this.#gl;
    this.#use(this.#flatProgram);
    this.#sky.draw();
    gl.enable(gl.BLEND);
    this.#use(this.#glowProgram).set('u_time', frame.timeS).set('u_tint', WHITE);
    this.#stars.draw();
    this.#moon.draw();
    // The mountains' outlines fade out over a pixel or two in place of antialiasing.
    gl.blendFunc(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA);
    this.#use(this.#ridgeProgram)
      .set('u_far', palette.ridgeFar)
      .set('u_near', palette.ridgeNear)
      .set('u_fog', palette.fog)
      .set('u_rim', palette.auroraLow)
      .set('u_sway', Math.sin(frame.timeS * 0.05));
    this.#ridges.draw();
    gl.blendFunc(gl.ONE, gl.ONE);
    gl.disable(gl.BLEND);
  }

  /** Directs drawing into the texture from which the water takes its reflection. */
  #bindReflection(width: number, heightPx: number): void {
    const gl = this.#gl;
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.#reflectionTarget);
    const size = `${width}x${heightPx}`;
    if (size === this.#reflectionSize) return;
    this.#reflectionSize = size;
    gl.bindTexture(gl.TEXTURE_2D, this.#reflection);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, width, heightPx, 0, gl.RGBA, gl.UNSIGNED_BYTE, null);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.LINEAR);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, this.#reflection, 0);
  }

  #drawWater(timeS: number): void {
    const gl = this.#gl;
    gl.bindTexture(gl.TEXTURE_2D, this.#reflection);
    this.#waterProgram.use().set('u_time', timeS).set('u_horizon', HORIZON).set('u_rows', WATER_ROWS);
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, (WATER_ROWS + 1) * 2);
  }

  #use(program: GlProgram): GlProgram {
    const aspect = this.#gl.canvas.width / this.#gl.canvas.height;
    return program.use().set('u_aspect', aspect).set('u_horizon', HORIZON);
  }
}

/** Halo and disc; the disc is so bright that it is cut off at white, which gives it its edge. */
function moon(palette: Palette, timeS: number): Glow[] {
  const place = { x: 0.5, y: 0.86 };
  const lit = (light: number): Color => [
    palette.moon[0] * light,
    palette.moon[1] * light,
    palette.moon[2] * light,
  ];
  return [
    { ...place, width: 0.4, height: 0.4, color: lit(0.2 + 0.02 * Math.sin(timeS * 0.4)) },
    { ...place, width: 0.085, height: 0.085, color: lit(2.4) },
  ];
}

function star(random: () => number): Glow {
  const size = 0.005 + random() ** 4 * 0.005;
  return {
    x: (random() * 2 - 1) * 1.85,
    y: 0.18 + random() * 1.15,
    width: size,
    height: size,
    color: hsl(random() * 360, 0.4, 0.45 + random() * 0.45),
    twinkle: 0.3 + random() * 0.6,
    twinkleSpeed: 0.5 + random() * 2.5,
    twinklePhase: random() * 6.3,
  };
}

/** A short bright line on the water; denser under the moon, larger in front. */
function glint(random: () => number): Glow {
  const depth = 0.015 + random() ** 1.6 * 0.68;
  const underMoon = random() < 0.6;
  return {
    x: (underMoon ? 0.5 : 0) + (random() + random() - 1) * (underMoon ? 0.12 + depth * 0.25 : 1.8),
    y: -depth,
    width: (0.02 + depth * 0.11) * (0.5 + random()),
    height: 0.004 + depth * 0.007,
    color: [0.9, 0.95, 1],
    twinkle: 1,
    twinkleSpeed: 0.6 + random() * 1.8,
    twinklePhase: random() * 6.3,
  };
}
