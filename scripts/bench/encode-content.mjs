// The pictures that are encoded: what a browser makes of four pages, as I420.
import * as constants from 'node-av/constants';
import { Codec, CodecContext, Frame, Packet, SoftwareScaleContext } from 'node-av/lib';

import { launchBrowser } from './rig.mjs';

const PICTURES = 46;
const WORDS = 'the quick brown fox jumps over a lazy dog while seven wizards box with quality ink'.split(' ');

/** @returns the pictures of each kind of content. */
export async function renderContent({ width, height }) {
  const browser = await launchBrowser([`--window-size=${width},${height}`]);
  try {
    const [page] = await browser.browser.pages();
    await page.setViewport({ width, height });
    const contents = [];
    for (const [content, show] of Object.entries(PAGES)) {
      const step = await show(page);
      const pictures = [];
      for (let index = 0; index < PICTURES; index++) {
        if (index > 0 && step === undefined) {
          pictures.push(pictures[0]);
          continue;
        }
        await step?.(index);
        pictures.push(
          toI420(
            await page.screenshot({ type: 'png', optimizeForSpeed: true, captureBeyondViewport: false }),
            { width, height },
          ),
        );
      }
      contents.push({ content, pictures });
    }
    return contents;
  } finally {
    await browser.close();
  }
}

/** Each shows its page and returns what brings it to the picture of a number; undefined: it stands still. */
const PAGES = {
  async 'scrolling text'(page) {
    await showText(page);
    return (index) => page.evaluate((y) => window.scrollTo(0, y), index * 12);
  },
  async 'WebGL scene'(page) {
    return showShader(page, SCENE);
  },
  async film(page) {
    return showShader(page, FILM);
  },
  async 'static page'(page) {
    await showText(page);
    return undefined;
  },
};

async function showShader(page, shader) {
  await page.setContent('<style>body{margin:0}canvas{width:100vw;height:100vh}</style><canvas></canvas>');
  await page.evaluate(prepareScene, shader);
  return (index) => page.evaluate((time) => window.draw(time), index / 30);
}

async function showText(page) {
  const paragraph = (seed) =>
    Array.from(
      { length: 90 },
      (_, index) => WORDS[(index * 7 + seed * 3 + index * seed) % WORDS.length],
    ).join(' ');
  const text = Array.from({ length: 40 }, (_, seed) => `<h3>Chapter ${seed}</h3><p>${paragraph(seed)}`).join(
    '',
  );
  await page.setContent(`<!doctype html><style>body{font:16px serif;margin:24px;columns:2}</style>${text}`);
}

const SCENE = `precision mediump float; uniform vec2 size; uniform float time;
  float wave(vec2 p) { return sin(p.x * 3.1 + time) * sin(p.y * 2.7 - time * 1.3) + sin((p.x + p.y) * 1.9 + time * .7); }
  void main() {
    vec2 p = gl_FragCoord.xy / size.y * 4.0;
    vec3 colour = .5 + .5 * cos(vec3(0, 2, 4) + wave(p) + .3 * wave(p * 4.0));
    vec2 ball = vec2(2.5 + 1.6 * sin(time * 2.0), 2.0 + cos(time * 2.6));
    colour = mix(vec3(1, .9, .6) * max(0.0, 1.2 - distance(p, ball)), colour, smoothstep(.4, .42, distance(p, ball)));
    float tile = step(.5, fract(p.x * 3.0 + time)) * step(.5, fract(p.y * 3.0));
    gl_FragColor = vec4(mix(colour, colour * .6, tile * step(p.y, 1.2)), 1);
  }`;

/** As a camera sees it: clouds of all sizes that drift and turn, something darker that passes in front, and grain. */
const FILM = `precision highp float; uniform vec2 size; uniform float time;
  float random(vec2 p) { return fract(sin(dot(p, vec2(12.9898, 78.233))) * 43758.5453); }
  float noise(vec2 p) {
    vec2 i = floor(p), f = fract(p); f = f * f * (3.0 - 2.0 * f);
    return mix(mix(random(i), random(i + vec2(1, 0)), f.x), mix(random(i + vec2(0, 1)), random(i + 1.0), f.x), f.y);
  }
  float clouds(vec2 p) {
    float sum = 0.0, share = .5;
    for (int octave = 0; octave < 7; octave++) { sum += share * noise(p); p = p * 2.03 + 7.1; share *= .5; }
    return sum;
  }
  void main() {
    vec2 p = gl_FragCoord.xy / size.y;
    float turn = .05 * sin(time);
    vec2 far = mat2(cos(turn), sin(turn), -sin(turn), cos(turn)) * (p * (3.0 - .2 * time)) + vec2(.6 * time, .2 * time);
    vec3 colour = mix(vec3(.25, .4, .6), vec3(.95, .85, .7), clouds(far));
    float near = smoothstep(.5, .52, clouds(p * 1.5 + vec2(-1.2 * time, 3)));
    colour = mix(colour, vec3(.15, .2, .12) * (.5 + clouds(p * 12.0 - vec2(9.6 * time, 0))), near);
    float grain = random(gl_FragCoord.xy + fract(time) * 91.7) - .5;
    gl_FragColor = vec4(colour + .05 * grain, 1);
  }`;

/** Runs in the page. */
function prepareScene(source) {
  const canvas = document.querySelector('canvas');
  canvas.width = window.innerWidth;
  canvas.height = window.innerHeight;
  const gl = canvas.getContext('webgl', { preserveDrawingBuffer: true });
  const program = gl.createProgram();
  const vertex = 'attribute vec2 at; void main() { gl_Position = vec4(at, 0, 1); }';
  for (const [type, text] of [
    [gl.VERTEX_SHADER, vertex],
    [gl.FRAGMENT_SHADER, source],
  ]) {
    const shader = gl.createShader(type);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  gl.useProgram(program);
  gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([-1, -1, 3, -1, -1, 3]), gl.STATIC_DRAW);
  gl.enableVertexAttribArray(0);
  gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 0, 0);
  gl.uniform2f(gl.getUniformLocation(program, 'size'), canvas.width, canvas.height);
  const time = gl.getUniformLocation(program, 'time');
  window.draw = (seconds) => {
    gl.uniform1f(time, seconds);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  };
}

function toI420(png, { width, height }) {
  const codec = Codec.findDecoder(constants.AV_CODEC_ID_PNG);
  const context = new CodecContext();
  context.allocContext3(codec);
  context.open2Sync(codec, null);
  const packet = new Packet();
  packet.alloc();
  packet.data = Buffer.from(png);
  const source = new Frame();
  source.alloc();
  context.sendPacketSync(packet);
  if (context.receiveFrameSync(source) < 0) throw new Error('A screenshot could not be decoded.');
  const target = new Frame();
  target.alloc();
  target.width = width;
  target.height = height;
  target.format = constants.AV_PIX_FMT_YUV420P;
  target.colorRange = constants.AVCOL_RANGE_MPEG;
  target.colorSpace = constants.AVCOL_SPC_SMPTE170M;
  target.getBuffer(1);
  const scaler = new SoftwareScaleContext();
  scaler.allocContext();
  if (scaler.scaleFrameSync(target, source) < 0) throw new Error('A screenshot could not be converted.');
  const luma = width * height;
  const planes = target.data
    .slice(0, 3)
    .map((plane, index) => plane.subarray(0, index === 0 ? luma : luma / 4));
  const bytes = Buffer.concat(planes);
  scaler.freeContext();
  target.free();
  source.free();
  packet.free();
  context.freeContext();
  return bytes;
}
