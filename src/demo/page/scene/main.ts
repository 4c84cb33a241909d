import { Boat, type WaterPlace } from './boat.js';
import { Controls, type PicturePlace } from './controls.js';
import { FallenStars } from './fallen-stars.js';
import { Hud } from './hud.js';
import { HORIZON, Landscape } from './landscape.js';
import { Lanterns } from './lanterns.js';
import { Music } from './music.js';
import { BPM, type Step } from './score.js';
import { seededRandom } from './seeded-random.js';
import { readSettings } from './stream-kit.js';

/** The landscape is soft by nature: drawn smaller and scaled up, it costs a fraction on a host without a GPU. */
const RENDER_SCALE = 0.34;
/** How fast colour and brightness follow, per second. */
const EASE_PER_S = 0.8;
const METADATA_INTERVAL_MS = 3000;

const kit = window.streamKit;
const settings = readSettings(kit?.initialData);
const glCanvas = query('canvas#landscape');
const landscape = new Landscape(glCanvas, settings.seed);
const hud = new Hud(query('canvas#hud'));
const lanterns = new Lanterns(seededRandom(settings.seed + 1));
const boat = new Boat();
const fallenStars = new FallenStars(seededRandom(settings.seed + 2));

let step: Step | undefined;
let viewers: number | undefined = kit ? 0 : undefined;
let pulses = 0;
/** What players pressed, and what they gathered. */
let presses = 0;
let gathered = 0;
let hue = settings.hue;
let power = 0;
/** Flares up with a pulse or a newcomer, and dies away. */
let surge = 0;
let frame = 0;
let framesPerSecond = 0;
let previousMs = performance.now();
let dueMs = 0;

const music = new Music(settings.seed, (next) => {
  const sectionBegins = next.section !== step?.section;
  step = next;
  if (sectionBegins) publish();
});

const controls = new Controls(window, {
  onPress: () => {
    presses++;
    music.resume();
  },
  onAct: (place) => pulse(place === undefined ? boat.place : waterPlace(place)),
});

function query(selector: string): HTMLCanvasElement {
  const element = document.querySelector(selector);
  if (!(element instanceof HTMLCanvasElement)) throw new Error(`The page has no ${selector}`);
  return element;
}

function resize(): void {
  const { clientWidth: width, clientHeight: height } = document.documentElement;
  const pixelRatio = window.devicePixelRatio;
  glCanvas.width = Math.max(2, Math.round(width * pixelRatio * RENDER_SCALE));
  glCanvas.height = Math.max(2, Math.round(height * pixelRatio * RENDER_SCALE));
  hud.resize(width, height, pixelRatio);
}

function publish(): void {
  kit?.setMetadata({
    scene: settings.title,
    section: step?.section.name ?? '',
    chord: step?.chord.name ?? '',
    bpm: BPM,
    frame,
    framesPerSecond: Math.round(framesPerSecond),
    pulses,
    presses,
    gathered,
  });
}

function pulse(place?: WaterPlace): void {
  pulses++;
  surge = Math.min(1.6, surge + 0.9);
  const { x, y } = place ?? { x: (Math.random() - 0.5) * 1.2, y: -0.12 - Math.random() * 0.22 };
  landscape.addRing(x, y, performance.now() / 1000);
  lanterns.burst();
  music.chime();
  publish();
}

/** The place on the water that is seen at a place on the picture; over the horizon, the farthest. */
function waterPlace({ x, y }: PicturePlace): WaterPlace {
  return { x: (x * 2 - 1) * aspect(), y: Math.min(-0.01, 1 - y * 2 - HORIZON) };
}

function aspect(): number {
  return glCanvas.width / glCanvas.height;
}

/** Moves the boat, and takes up what it comes to. */
function play(elapsedS: number): void {
  const target = controls.target === undefined ? undefined : waterPlace(controls.target);
  boat.advance(controls.steer(), target, aspect(), elapsedS);
  const taken = fallenStars.advance(boat.isSteered ? boat.place : undefined, aspect(), elapsedS);
  for (const { x, y } of taken) {
    gathered++;
    surge = Math.min(1.6, surge + 0.35);
    landscape.addRing(x, y, performance.now() / 1000);
    music.chime();
  }
  if (taken.length > 0) publish();
}

function draw(nowMs: number): void {
  requestAnimationFrame(draw);
  // Frames that nobody will see cost the host as much as those that are streamed. The tolerance is for displays
  // whose interval is a hair under the one that is wanted.
  if (settings.frameRate > 0) {
    if (nowMs < dueMs - 2) return;
    const intervalMs = 1000 / settings.frameRate;
    dueMs = Math.max(dueMs + intervalMs, nowMs);
  }
  const elapsedS = Math.min(0.25, Math.max(0.001, (nowMs - previousMs) / 1000));
  previousMs = nowMs;
  framesPerSecond += (1 / elapsedS - framesPerSecond) * Math.min(1, elapsedS);
  frame++;
  play(elapsedS);
  surge *= Math.exp(-elapsedS * 0.9);
  const follow = 1 - Math.exp(-elapsedS * EASE_PER_S);
  hue += (settings.hue + (step?.section.hueShift ?? 0) + Math.min(viewers ?? 0, 6) * 5 - hue) * follow;
  power += ((step?.section.glow ?? 0.8) - power) * follow;
  const timeS = nowMs / 1000;
  landscape.draw({
    timeS,
    hue: hue + surge * 10,
    auroraPower: power * (0.94 + 0.06 * Math.sin(timeS * 1.3)) + surge * 0.7,
    lights: [...lanterns.advance(timeS, elapsedS), ...fallenStars.glows(timeS), ...boat.glows(timeS)],
  });
  hud.draw({
    title: settings.title,
    section: step?.section.name ?? 'Tuning up',
    chord: step?.chord.name ?? '–',
    bpm: BPM,
    frame,
    framesPerSecond,
    viewers,
    presses,
    gathered: boat.isSteered ? gathered : undefined,
    nowMs: performance.timeOrigin + nowMs,
  });
}

kit?.on('viewers', (count) => {
  if (count > (viewers ?? 0)) surge = Math.min(1.6, surge + 0.6);
  viewers = count;
  lanterns.setCount(count);
  publish();
});
kit?.on('message', (message) => {
  if (typeof message !== 'object' || message === null || !('type' in message)) return;
  if (message.type !== 'pulse') return;
  pulse();
  kit.send({ type: 'pulsed', pulses, at: 'at' in message ? message.at : null });
});

// Opened as an ordinary page there are no viewers; whatever is pressed allows the sound.
if (!kit) lanterns.setCount(5);
window.addEventListener('resize', resize);
resize();
music.start();
setInterval(publish, METADATA_INTERVAL_MS);
requestAnimationFrame(draw);
