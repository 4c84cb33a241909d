import type { StreamConnection, StreamStats } from '@open-game-system/stream-kit-server/client';

import { Curve } from './curve.js';

const INTERVAL_MS = 1000;
const NOTHING = '–';

/** Asks the connection for its stats once a second and shows them. */
export class MetricsView {
  readonly #cells = new Map<string, HTMLElement>();
  readonly #curves = new Map<string, Curve>();
  #lost: number | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(list: HTMLElement) {
    for (const cell of list.querySelectorAll<HTMLElement>('[data-metric]')) {
      this.#cells.set(cell.dataset.metric ?? '', cell);
    }
    for (const svg of list.querySelectorAll<SVGSVGElement>('[data-curve]')) {
      this.#curves.set(svg.dataset.curve ?? '', new Curve(svg));
    }
  }

  follow(connection: StreamConnection): void {
    this.stop();
    this.#timer = setInterval(() => {
      void connection.stats().then((stats) => {
        if (this.#timer !== undefined) this.#show(stats);
      });
    }, INTERVAL_MS);
  }

  /** Stops asking and clears what is shown. */
  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    for (const cell of this.#cells.values()) cell.textContent = NOTHING;
    for (const curve of this.#curves.values()) curve.clear();
    this.#lost = undefined;
  }

  #show(stats: StreamStats): void {
    const { width, height } = stats;
    this.#set('picture', width === undefined || height === undefined ? undefined : `${width} × ${height}`);
    this.#set('frameRate', withUnit(stats.framesPerSecond, 'fps'));
    this.#set('bitrate', bitrate(stats.bitrateBps));
    this.#set('codec', [stats.codec, stats.audioCodec].filter((name) => name !== undefined).join(' + '));
    this.#set('roundTrip', withUnit(stats.rttMs, 'ms'));
    this.#set('jitterBuffer', withUnit(stats.jitterBufferMs, 'ms'));
    this.#set('dropped', withUnit(stats.framesDropped, stats.framesDropped === 1 ? 'frame' : 'frames'));
    this.#set('lost', stats.packetsLost?.toString());
    this.#curves.get('frameRate')?.add(stats.framesPerSecond);
    this.#curves.get('bitrate')?.add(stats.bitrateBps);
    this.#curves.get('roundTrip')?.add(stats.rttMs);
    const { packetsLost } = stats;
    const lostNow =
      packetsLost === undefined || this.#lost === undefined ? undefined : packetsLost - this.#lost;
    this.#curves.get('lost')?.add(lostNow === undefined ? undefined : Math.max(0, lostNow));
    this.#lost = packetsLost;
  }

  #set(metric: string, text: string | undefined): void {
    const cell = this.#cells.get(metric);
    if (cell) cell.textContent = text === undefined || text === '' ? NOTHING : text;
  }
}

function withUnit(value: number | undefined, unit: string): string | undefined {
  if (value === undefined) return undefined;
  return `${value > 0 && value < 1 ? '< 1' : value.toFixed(0)} ${unit}`;
}

function bitrate(bitsPerSecond: number | undefined): string | undefined {
  if (bitsPerSecond === undefined) return undefined;
  return bitsPerSecond < 1_000_000
    ? `${(bitsPerSecond / 1000).toFixed(0)} kbit/s`
    : `${(bitsPerSecond / 1_000_000).toFixed(2)} Mbit/s`;
}
