import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout } from 'node:timers/promises';

import { HOSTILE_INPUTS } from './hostile-inputs.js';
import { TestServer, type CreatedSession } from './test-server.js';
import { ViewerBrowser, type ViewerTab } from './viewer-browser.js';

/** What became of the others while a hostile page ran. */
export interface Harm {
  readonly name: string;
  /** Frames that the viewer of the healthy session decoded per second; the page makes 30. */
  readonly framesPerSecond: number;
  readonly loopDelayP99Ms: number;
  /** How much the host's resident memory grew at most, bytes. */
  readonly hostGrowthBytes: number;
  /** Of the healthy session. */
  readonly healthyStatus: string;
  /** Of the hostile session. */
  readonly status: string;
  /** Codes of what ended it, or was lost and is there again. */
  readonly codes: readonly string[];
  /** What deleting the hostile session answered. */
  readonly deleted: number;
}

/** The page has been painted before it becomes hostile, so it is captured like any other. */
const INNOCENT_MS = 1_000;
const SAMPLE_INTERVAL_MS = 200;

/** A server with one healthy session that somebody watches, beside which hostile pages run one after the other. */
export class HostilePages {
  readonly #pages = createServer((request, response) => {
    request.resume();
    const name = decodeURIComponent((request.url ?? '').slice(1).split('?')[0] ?? '');
    const script = HOSTILE_INPUTS[name];
    response.writeHead(script === undefined ? 404 : 200, { 'content-type': 'text/html' });
    response.end(
      script === undefined
        ? ''
        : `<body>hostile<script>setTimeout(() => { ${script} }, ${INNOCENT_MS})</script>`,
    );
  });
  readonly #server: TestServer;
  readonly #browser: ViewerBrowser;
  readonly #healthy: CreatedSession;
  readonly #viewer: ViewerTab;

  private constructor(
    server: TestServer,
    browser: ViewerBrowser,
    healthy: CreatedSession,
    viewer: ViewerTab,
  ) {
    this.#server = server;
    this.#browser = browser;
    this.#healthy = healthy;
    this.#viewer = viewer;
  }

  static async start(): Promise<HostilePages> {
    const [server, browser] = await Promise.all([
      TestServer.start({ restart: false, sessionLimits: { memoryBytes: 1024 * 2 ** 20 } }),
      ViewerBrowser.launch(),
    ]);
    const healthy = await server.create(server.page('mode=counter'), { frameRate: 30 });
    await server.state(healthy, ({ status }) => status === 'connecting');
    const viewer = await browser.open(server);
    await viewer.connect(healthy);
    await viewer.firstPicture();
    const pages = new HostilePages(server, browser, healthy, viewer);
    pages.#pages.listen(0, '127.0.0.1');
    await once(pages.#pages, 'listening');
    return pages;
  }

  /** Runs one of the inputs for `runMs` in a session of its own, which is deleted then. */
  async run(name: string, runMs: number): Promise<Harm> {
    const { port } = this.#pages.address() as AddressInfo;
    const errorsBefore = this.#server.errors.length;
    const hostile = await this.#server.create(`http://127.0.0.1:${port}/${encodeURIComponent(name)}`);
    await this.#server.state(hostile, ({ status }) => status !== 'initializing');
    const figures = await this.#watch(INNOCENT_MS + runMs);
    const { status: healthyStatus } = await this.#server.state(this.#healthy, () => true);
    const state = (await (await fetch(hostile.url)).json()) as {
      status: string;
      metadata?: { fault?: { code: string } };
    };
    const errors = this.#server.errors.slice(errorsBefore) as (Error & { code?: string })[];
    const codes = [...errors.map(({ code }) => code), state.metadata?.fault?.code];
    return {
      ...{ name, ...figures, healthyStatus, status: state.status },
      codes: codes.filter((code) => code !== undefined),
      deleted: await this.#server.delete(hostile),
    };
  }

  async close(): Promise<void> {
    await this.#viewer.close();
    await this.#server.close();
    await this.#browser.close();
    this.#pages.closeAllConnections();
    this.#pages.close();
  }

  async #watch(
    durationMs: number,
  ): Promise<Pick<Harm, 'framesPerSecond' | 'loopDelayP99Ms' | 'hostGrowthBytes'>> {
    const decoded = 'viewer.stats().then(({ video }) => [video.framesDecoded, performance.now()])';
    const delay = monitorEventLoopDelay({ resolution: 5 });
    const beganBytes = process.memoryUsage.rss();
    let mostBytes = beganBytes;
    const [framesBefore, beforeMs] = await this.#viewer.read<[number, number]>(decoded);
    delay.enable();
    for (let elapsedMs = 0; elapsedMs < durationMs; elapsedMs += SAMPLE_INTERVAL_MS) {
      await setTimeout(SAMPLE_INTERVAL_MS);
      mostBytes = Math.max(mostBytes, process.memoryUsage.rss());
    }
    delay.disable();
    const [frames, afterMs] = await this.#viewer.read<[number, number]>(decoded);
    return {
      framesPerSecond: ((frames - framesBefore) * 1000) / (afterMs - beforeMs),
      // The monitor counts its own interval in.
      loopDelayP99Ms: delay.percentile(99) / 1e6 - 5,
      hostGrowthBytes: mostBytes - beganBytes,
    };
  }
}

/** Codes of the ends that a hostile page may come to, and of what it may lose. */
export const FAIR_CODES = new Set([
  ...['page_misbehaved', 'out_of_memory', 'browser_hung', 'browser_crashed'],
  ...['capture_failed', 'capture_stalled', 'gpu_hung', 'sound_lost'],
]);
