import { randomBytes } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

import { StreamKitError } from '../../base/errors.js';
import { withTimeout } from '../../base/with-timeout.js';
import type { BrowserProcess } from './browser-process.js';
import type { BrowserTab } from './browser-tab.js';
import type { CaptureFormat, VideoSource } from './capture.js';
import { CaptureTab, type CaptureTabFormat, type CaptureTabKinds } from './capture-tab.js';
import { audioFileBytes, type FrameRingLayout, frameRingLayout, videoFileBytes } from './frame-ring.js';
import type { PictureGap } from './frame-latency.js';
import type { PageSize } from './page-geometry.js';
import type { ColourMatrix } from './video-frame.js';

const FILES_TIMEOUT_MS = 2_000;
/** A tab is replaced within this, or never, ms. */
const REPLACE_TIMEOUT_MS = 20_000;

export interface CapturePageParameters extends CaptureTabKinds {
  readonly width: number;
  readonly height: number;
  readonly frameRate: number;
  /** Size to ask the capturer for, pixels. */
  readonly captured: PageSize;
}

export interface RingPaths {
  readonly video: string;
  readonly credits: string;
  readonly audio: string;
}

/** What opens the tabs of a capture. */
export interface CaptureTabs {
  /** An empty one, in the back. */
  open(): Promise<BrowserTab>;
  /** Gives the tab that is to be captured the title that the browser was told, for as long as `work` takes. */
  whileTitled<T>(work: () => Promise<T>): Promise<T>;
}

/**
 * The second tab: it captures the first one and writes what it gets into the shared files. If it dies or hangs, another one
 * goes on with the same files, and neither the page nor the readers of the files notice.
 */
export class CapturePage {
  readonly paths: RingPaths;
  #hasAudio: boolean;
  readonly matrix: ColourMatrix;
  /** Nothing more comes of its tab, until it is replaced. */
  onLost: (message: string) => void = () => undefined;
  #lostBecause: string | undefined;
  readonly #tabs: CaptureTabs;
  readonly #origin: string;
  #kinds: CaptureTabKinds;
  readonly #onWarned: (message: string) => void;
  #format: CaptureTabFormat;
  /** Undefined: it is lost. */
  #tab: CaptureTab | undefined;
  /** Waits for the one that takes its place. */
  #arrivals: (() => void)[] = [];
  #running = false;
  /** How often it was replaced, or was to be: one that takes too long is left to itself. */
  #replacements = 0;

  private constructor(
    tab: CaptureTab,
    format: CaptureTabFormat,
    opened: Pick<CapturePage, 'paths' | 'hasAudio' | 'matrix'>,
    ours: {
      readonly tabs: CaptureTabs;
      readonly origin: string;
      readonly kinds: CaptureTabKinds;
      readonly onWarned: (message: string) => void;
    },
  ) {
    this.#tab = tab;
    this.#format = format;
    this.paths = opened.paths;
    this.#hasAudio = opened.hasAudio;
    this.matrix = opened.matrix;
    this.#tabs = ours.tabs;
    this.#origin = ours.origin;
    this.#kinds = ours.kinds;
    this.#onWarned = ours.onWarned;
  }

  /**
   * Opens the tab and begins to capture the one whose title the browser was told at its start; paused at first.
   * @param onWarned - something came that could not be used.
   * @throws StreamKitError `capture_failed` where tab capture is not to be had.
   */
  static async open(
    browserProcess: BrowserProcess,
    parameters: CapturePageParameters,
    tabs: CaptureTabs,
    onWarned: (message: string) => void,
  ): Promise<CapturePage> {
    const origin = `https://${randomBytes(16).toString('hex')}.invalid`;
    browserProcess.hideTargets(`${origin}/`);
    const { width, height, frameRate, captured, video, audio } = parameters;
    const format = { width, height, frameRate, captured, layout: frameRingLayout(width, height) };
    const kinds = { video, audio };
    const opening: { page?: CapturePage; lost?: string } = {};
    const tab = await CaptureTab.load(await tabs.open(), origin, {
      onLost: (message) => {
        if (opening.page === undefined) opening.lost = message;
        else opening.page.#lose(message);
      },
      onWarned,
    });
    await browserProcess.tab.bringToFront();
    try {
      const hasAudio = await tab.open(format, kinds);
      const matrix = video ? await tab.measureMatrix() : 'bt601';
      const paths = await findFiles(
        join(browserProcess.profileDirectory, 'Default', 'File System'),
        format.layout,
      );
      if (opening.lost !== undefined) throw new Error(opening.lost);
      const ours = { tabs, origin, kinds, onWarned };
      opening.page = new CapturePage(tab, format, { paths, hasAudio, matrix }, ours);
      return opening.page;
    } catch (error) {
      tab.abandon();
      throw new StreamKitError('capture_failed', 'The browser refused to capture the tab', { cause: error });
    }
  }

  /** Where a reader finds its pictures, which are of this size. */
  videoSource({ width, height }: PageSize): Extract<VideoSource, { kind: 'ring' }> {
    const { video: path, credits: creditsPath } = this.paths;
    return { kind: 'ring', path, creditsPath, matrix: this.matrix, width, height };
  }

  /** Why nothing more comes of its tab; undefined: it is not lost. */
  get lostBecause(): string | undefined {
    return this.#lostBecause;
  }

  /** It takes pictures and sound, or is about to. */
  get running(): boolean {
    return this.#running;
  }

  /** What it has taken so far; undefined: it takes none of that kind. */
  async progress(): Promise<{
    pictures: number | undefined;
    soundChunks: number | undefined;
    gap: PictureGap | undefined;
  }> {
    if (this.#tab === undefined) throw new Error('The tab that captures is lost');
    const { pictures, soundChunks, gap } = await this.#tab.progress();
    return {
      pictures: this.#kinds.video ? pictures : undefined,
      soundChunks: this.#hasAudio ? soundChunks : undefined,
      gap,
    };
  }

  get hasAudio(): boolean {
    return this.#hasAudio;
  }

  /** Takes no sound any more, also of other tabs. */
  async forgoSound(): Promise<void> {
    if (!this.#kinds.audio) return;
    this.#hasAudio = false;
    this.#kinds = { ...this.#kinds, audio: false };
    await this.#tab?.forgoSound();
  }

  /** Takes no sound until it is taken anew. */
  async restSound(): Promise<void> {
    await this.#tab?.restSound();
  }

  /** Takes the sound anew, from the tab that has the title that the browser was told. Rejects if it is not to be had. */
  async reopenSound(): Promise<void> {
    await this.#tab?.reopenSound();
  }

  /**
   * Takes pictures and sound of the tab that has the title now, in place of the one before. Rejects if it is not to be had.
   * One that is lost does nothing: whatever replaces it begins with the tab that is shown.
   * @param onTaken - called before the first picture of it, which comes when it is painted again.
   */
  async takeTab(onTaken: () => void): Promise<void> {
    await this.#tab?.takeTab();
    onTaken();
    await this.#unlessLost(async (tab) => {
      await tab.pause();
      if (this.#running) await tab.resume();
    });
  }

  async pause(): Promise<void> {
    this.#running = false;
    await this.#unlessLost((tab) => tab.pause());
  }

  async resume(): Promise<void> {
    this.#running = true;
    await this.#unlessLost((tab) => tab.resume());
  }

  /**
   * @param captured - size to ask the capturer for, pixels.
   * @param resizeTab - called while no pictures are taken.
   */
  async reconfigure(
    { width, height, frameRate }: CaptureFormat,
    captured: PageSize,
    resizeTab: () => Promise<void>,
  ): Promise<void> {
    const format = { width, height, frameRate, captured, layout: frameRingLayout(width, height) };
    this.#format = format;
    // The tab first: with the next picture the browser then captures in the new size.
    await resizeTab();
    // Readers are told of the new size when this resolves: the files have it then.
    while (!(await this.#unlessLost((tab) => tab.reconfigure(format)))) {
      await withTimeout(new Promise<void>((resolve) => this.#arrivals.push(resolve)), REPLACE_TIMEOUT_MS);
    }
  }

  /**
   * Closes the tab, alive or not, and goes on with another.
   *
   * @throws Error where that does not capture either.
   */
  async replace(): Promise<void> {
    this.#tab?.abandon();
    this.#tab = undefined;
    await withTimeout(this.#replace(), REPLACE_TIMEOUT_MS);
  }

  async #replace(): Promise<void> {
    this.#replacements += 1;
    const replacement = this.#replacements;
    let lost: string | undefined;
    const tab: CaptureTab = await CaptureTab.load(await this.#tabs.open(), this.#origin, {
      onLost: (message) => {
        if (this.#tab === tab) this.#lose(message);
        else lost = message;
      },
      onWarned: (message) => this.#onWarned(message),
    });
    try {
      const format = this.#format;
      await this.#tabs.whileTitled(() => tab.open(format, this.#kinds));
      if (lost !== undefined) throw new Error(lost);
      if (replacement !== this.#replacements) throw new Error('It took too long');
      this.#tab = tab;
      // What was ordered meanwhile.
      if (this.#format !== format) await tab.reconfigure(this.#format);
      if (this.#running) await tab.resume();
    } catch (error) {
      tab.abandon();
      if (this.#tab === tab) this.#tab = undefined;
      throw error;
    }
    this.#lostBecause = undefined;
    for (const arrived of this.#arrivals.splice(0)) arrived();
  }

  /** @returns whether it was done; what a tab that is lost does not do any more, the next one begins with. */
  async #unlessLost(order: (tab: CaptureTab) => Promise<void>): Promise<boolean> {
    const tab = this.#tab;
    if (tab === undefined) return false;
    try {
      await order(tab);
      return true;
    } catch (error) {
      if (this.#tab === tab) throw error;
      return false;
    }
  }

  #lose(message: string): void {
    this.#tab?.abandon();
    this.#tab = undefined;
    this.#lostBecause = message;
    this.onLost(message);
  }
}

/** The browser names origin-private files by number, so they are told apart by their sizes. */
async function findFiles(folder: string, layout: FrameRingLayout): Promise<RingPaths> {
  const bytes: Record<keyof RingPaths, number> = {
    video: videoFileBytes(layout),
    credits: layout.creditsFileBytes,
    audio: audioFileBytes(layout),
  };
  const deadline = performance.now() + FILES_TIMEOUT_MS;
  for (;;) {
    const found: Partial<Record<keyof RingPaths, string>> = {};
    const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
    for (const entry of entries.filter((candidate) => candidate.isFile())) {
      const path = join(entry.parentPath, entry.name);
      const { size } = await stat(path);
      // LevelDB keeps small files of its own beside ours; ours are numbered, in folders of two digits.
      if (!/[\\/]\d{2}[\\/]\d{8}$/.test(path)) continue;
      for (const name of ['video', 'credits', 'audio'] as const) if (size === bytes[name]) found[name] = path;
    }
    const { video, credits, audio } = found;
    if (video !== undefined && credits !== undefined && audio !== undefined) return { video, credits, audio };
    if (performance.now() > deadline) {
      throw new StreamKitError('capture_failed', 'The shared files of the browser were not found');
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
