import { markCount, markDots } from '../input-mark.js';

/** The count of the mark begins anew after so many. */
const COUNTS = 16;
/** Presses that wait for their picture; with more the count would have gone round. */
const MAX_WAITING = COUNTS - 1;
/** A press that shows nothing for so long never will: it was lost, or the page has no mark. */
const PATIENCE_MS = 2000;
/** The median is of so many. */
const KEPT = 9;
/** Of one dot on the canvas that the mark is read from, pixels. */
const CELL = 8;

/** Measures what a player feels: from a press to the picture on the screen that shows that the page has had it. */
export class LatencyMeter {
  readonly #video: HTMLVideoElement;
  readonly #cell: HTMLElement;
  readonly #canvas = new OffscreenCanvas(0, CELL);
  readonly #context = this.#canvas.getContext('2d', { willReadFrequently: true });
  /** When the presses were that no picture shows yet, the oldest first. */
  #waiting: number[] = [];
  #latencies: number[] = [];
  #count: number | undefined;

  constructor(video: HTMLVideoElement, cell: HTMLElement) {
    this.#video = video;
    this.#cell = cell;
  }

  /** The player has pressed something, right now. */
  press(): void {
    if (!('requestVideoFrameCallback' in this.#video) || this.#waiting.length >= MAX_WAITING) return;
    // Pictures are looked at only while one is waited for.
    if (this.#waiting.length === 0) {
      this.#count = this.#read();
      if (this.#count === undefined) return;
      this.#lookAtNext();
    }
    this.#waiting.push(performance.now());
  }

  /** Forgets what was measured. */
  reset(): void {
    this.#waiting = [];
    this.#latencies = [];
    this.#cell.textContent = '–';
  }

  #lookAtNext(): void {
    this.#video.requestVideoFrameCallback((_nowMs, { presentationTime }) => this.#look(presentationTime));
  }

  #look(shownMs: number): void {
    const count = this.#read();
    if (count !== undefined && this.#count !== undefined) {
      const arrived = (count - this.#count + COUNTS) % COUNTS;
      this.#count = count;
      for (const pressedMs of this.#waiting.splice(0, arrived)) this.#latencies.push(shownMs - pressedMs);
      if (arrived > 0) this.#show();
    }
    if (shownMs - (this.#waiting[0] ?? Infinity) > PATIENCE_MS) this.#waiting = [];
    if (this.#waiting.length > 0) this.#lookAtNext();
  }

  #show(): void {
    this.#latencies = this.#latencies.slice(-KEPT);
    const sorted = [...this.#latencies].sort((a, b) => a - b);
    const median = sorted[Math.floor(sorted.length / 2)];
    if (median !== undefined) this.#cell.textContent = `${median.toFixed(0)} ms`;
  }

  /** The count in the picture that is shown now. */
  #read(): number | undefined {
    const { videoWidth, videoHeight } = this.#video;
    const dots = markDots(videoWidth, videoHeight);
    const [first, second] = dots;
    if (!this.#context || !first || !second || videoWidth === 0) return undefined;
    const pitch = second.x - first.x;
    const width = dots.length * CELL;
    if (this.#canvas.width !== width) this.#canvas.width = width;
    const [left, top] = [first.x - pitch / 2, first.y - pitch / 2];
    this.#context.drawImage(this.#video, left, top, pitch * dots.length, pitch, 0, 0, width, CELL);
    const { data } = this.#context.getImageData(0, 0, width, CELL);
    return markCount(dots.map((_dot, index) => lightAt(data, width, index * CELL + CELL / 2, CELL / 2)));
  }
}

/** How bright the four pixels around a place are, 0–255. */
function lightAt(data: Uint8ClampedArray, width: number, x: number, y: number): number {
  let sum = 0;
  for (const row of [y - 1, y]) {
    for (const column of [x - 1, x]) {
      const at = (row * width + column) * 4;
      sum += (data[at] ?? 0) + (data[at + 1] ?? 0) + (data[at + 2] ?? 0);
    }
  }
  return sum / 12;
}
