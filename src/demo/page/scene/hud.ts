import { markDots, markPattern, markUnit } from '../input-mark.js';

/** What the display shows. */
export interface HudContent {
  title: string;
  section: string;
  chord: string;
  bpm: number;
  frame: number;
  framesPerSecond: number;
  /** undefined where the page runs without the server. */
  viewers: number | undefined;
  presses: number;
  /** undefined where nobody plays yet. */
  gathered: number | undefined;
  nowMs: number;
}

const FONT = '"Inter", "Segoe UI", "DejaVu Sans", system-ui, sans-serif';
const MONO = 'ui-monospace, "DejaVu Sans Mono", monospace';
/** Height in CSS pixels of a picture 720 high; it grows with the picture. */
const DESIGN_HEIGHT_PX = 76;

/**
 * Title, clock and counters along the lower edge. Its canvas is no larger than the text: where there is no GPU,
 * every pixel of a second layer would be blended by the processor.
 */
export class Hud {
  readonly #canvas: HTMLCanvasElement;
  readonly #context: CanvasRenderingContext2D;
  #scale = 1;
  /** Of the whole picture, pixels. */
  #pictureHeight = 0;

  constructor(canvas: HTMLCanvasElement) {
    const context = canvas.getContext('2d');
    if (context === null) throw new Error('This browser has no 2D canvas');
    this.#canvas = canvas;
    this.#context = context;
  }

  /** Fits the canvas to a picture of this size in CSS pixels. */
  resize(width: number, height: number, pixelRatio: number): void {
    const unit = markUnit(width, height);
    this.#scale = unit * pixelRatio;
    this.#pictureHeight = Math.round(height * pixelRatio);
    this.#canvas.width = Math.round(width * pixelRatio);
    this.#canvas.height = Math.ceil(DESIGN_HEIGHT_PX * this.#scale);
    this.#canvas.style.height = `${this.#canvas.height / pixelRatio}px`;
  }

  draw(content: HudContent): void {
    const context = this.#context;
    const width = this.#canvas.width / this.#scale;
    context.setTransform(this.#scale, 0, 0, this.#scale, 0, 0);
    context.clearRect(0, 0, width, DESIGN_HEIGHT_PX);
    context.textBaseline = 'alphabetic';
    context.textAlign = 'left';
    context.fillStyle = 'rgb(255 255 255 / 0.95)';
    context.font = `600 23px ${FONT}`;
    context.fillText(content.title, 30, 28);
    context.fillStyle = 'rgb(255 255 255 / 0.66)';
    context.font = `15px ${FONT}`;
    const music = `${content.section} · ${content.chord} · ${content.bpm} bpm`;
    context.fillText(`${music} · ${starsInWords(content.gathered)}`, 30, 52);
    context.textAlign = 'right';
    context.fillText(viewersInWords(content.viewers), width - 30, 52);
    context.fillStyle = 'rgb(255 255 255 / 0.95)';
    context.font = `22px ${MONO}`;
    context.fillText(clock(content.nowMs), width - 30, 28);
    context.textAlign = 'center';
    context.font = `15px ${MONO}`;
    context.fillStyle = 'rgb(255 255 255 / 0.5)';
    const rate = content.framesPerSecond.toFixed(0).padStart(2);
    context.fillText(`frame ${String(content.frame).padStart(6, '0')} · ${rate} fps`, width / 2, 58);
    this.#drawMark(content.presses);
  }

  #drawMark(presses: number): void {
    const context = this.#context;
    const { width, height } = this.#canvas;
    // As if it was as high as the picture, of which it is the lowest part.
    const top = this.#pictureHeight - height;
    const pattern = markPattern(presses);
    context.setTransform(1, 0, 0, 1, 0, 0);
    markDots(width, this.#pictureHeight).forEach(({ x, y, size }, index) => {
      context.fillStyle = pattern[index] === true ? 'rgb(255 255 255 / 0.8)' : 'rgb(0 0 0 / 0.4)';
      context.beginPath();
      context.roundRect(x - size / 2, y - top - size / 2, size, size, size / 3);
      context.fill();
    });
  }
}

function viewersInWords(viewers: number | undefined): string {
  if (viewers === undefined) return 'not streamed';
  return viewers === 1 ? '1 viewer' : `${viewers} viewers`;
}

function starsInWords(gathered: number | undefined): string {
  if (gathered === undefined) return 'steer to gather stars';
  return gathered === 1 ? '1 star' : `${gathered} stars`;
}

/** UTC with milliseconds, so that two screens beside each other show the delay between them. */
function clock(nowMs: number): string {
  return new Date(nowMs).toISOString().slice(11, 23);
}
