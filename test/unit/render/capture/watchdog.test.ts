import { beforeEach, describe, expect, it } from 'vitest';

import type { WatchAction, WatchObservation } from '../../../../src/render/capture/watchdog.js';
import { Watchdog } from '../../../../src/render/capture/watchdog.js';

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** A capture that works, on a clock of the test's; a test breaks parts of it. */
class WatchedCapture {
  readonly watchdog = new Watchdog(60_000);
  atMs = 1_000_000;
  browserAnswers = true;
  pageAnswers = true;
  captureTabAnswers = true;
  /** The page changes all the time. */
  moves = true;
  /** What is painted is captured. */
  captures = true;
  /** The browser paints when it is asked to. */
  paints = true;
  sounds = true;
  encodes = true;
  encodesSound = true;
  readonly seen: Writable<WatchObservation> = {
    atMs: this.atMs,
    browserAnsweredAtMs: this.atMs,
    pageAnsweredAtMs: this.atMs,
    pageHalted: false,
    memoryFull: false,
    captureLost: undefined,
    captureTab: { answeredAtMs: this.atMs, pictures: 0, soundChunks: 0 },
    capturing: true,
    encoded: { pictures: 0, sound: 0 },
    probe: undefined,
  };
  readonly actions: string[] = [];

  /** Looks once a second. */
  run(seconds: number): string[] {
    const before = this.actions.length;
    for (let second = 0; second < seconds; second++) this.#second();
    return this.actions.slice(before);
  }

  #second(): void {
    const { seen } = this;
    this.atMs += 1000;
    seen.atMs = this.atMs;
    if (this.browserAnswers) seen.browserAnsweredAtMs = this.atMs;
    if (this.pageAnswers) seen.pageAnsweredAtMs = this.atMs;
    this.#encode();
    let painted = this.moves && this.pageAnswers && this.paints;
    if (
      seen.probe?.finishedAtMs === undefined &&
      seen.probe !== undefined &&
      this.paints &&
      this.pageAnswers
    ) {
      seen.probe = { ...seen.probe, finishedAtMs: this.atMs };
      painted = true;
    }
    const { captureTab } = seen;
    if (captureTab !== undefined) {
      const { pictures, soundChunks } = captureTab;
      seen.captureTab = {
        answeredAtMs: this.captureTabAnswers ? this.atMs : captureTab.answeredAtMs,
        pictures:
          pictures === undefined || !painted || !this.captures || !seen.capturing ? pictures : pictures + 1,
        soundChunks:
          soundChunks === undefined || !this.sounds || !seen.capturing ? soundChunks : soundChunks + 100,
      };
    }
    for (const action of this.watchdog.look({ ...seen })) {
      this.actions.push(describeAction(action));
      if (action.type === 'restart' && action.part === 'capture tab') this.#replaceTab();
      if (action.type === 'probe') seen.probe = { startedAtMs: this.atMs, finishedAtMs: undefined };
    }
  }

  #encode(): void {
    const { pictures, sound } = this.seen.encoded ?? {};
    this.seen.encoded = {
      pictures: pictures === undefined || !this.encodes ? pictures : pictures + 30,
      sound: sound === undefined || !this.encodesSound || !this.sounds ? sound : sound + 50,
    };
  }

  #replaceTab(): void {
    this.seen.captureLost = undefined;
    this.seen.captureTab = { answeredAtMs: this.atMs, pictures: undefined, soundChunks: undefined };
    if (this.captureTabAnswers)
      this.seen.captureTab = { ...this.seen.captureTab, pictures: 0, soundChunks: 0 };
  }
}

function describeAction(action: WatchAction): string {
  switch (action.type) {
    case 'responsive':
      return action.responsive ? 'responsive' : 'unresponsive';
    case 'restart':
      return `restart ${action.part}: ${action.code}`;
    case 'encoding stalled':
      return `no ${action.what} encoded`;
    case 'recovered':
      return `recovered ${action.part}`;
    case 'end':
      return `end: ${action.code}`;
    case 'probe':
      return 'probe';
  }
}

let capture: WatchedCapture;

beforeEach(() => {
  capture = new WatchedCapture();
});

it('a page that has all the memory it can get, and does not answer, is ended soon, but not one that answers', () => {
  const capture = new WatchedCapture();
  capture.run(5);
  capture.seen.memoryFull = true;
  expect(capture.run(30)).toEqual([]);
  capture.pageAnswers = false;
  const actions = capture.run(20).join();
  expect(actions).toContain('out_of_memory');
  // One that gets some back in time goes on.
  const other = new WatchedCapture();
  other.run(5);
  other.pageAnswers = false;
  for (let count = 0; count < 5; count++) {
    other.seen.memoryFull = !other.seen.memoryFull;
    expect(other.run(4).join()).not.toContain('end');
  }
});

describe('the watchdog', () => {
  it('has nothing to do while everything works', () => {
    expect(capture.run(600)).toEqual([]);
  });

  it('tries now and then whether a page that stands still can be captured', () => {
    capture.moves = false;
    expect(capture.run(60)).toEqual(Array.from({ length: 6 }, () => 'probe'));
  });

  it('has the tab replaced that takes no picture of what is painted, and ends a capture where that does not help', () => {
    capture.run(5);
    capture.captures = false;
    expect(capture.run(60)).toEqual([
      ...['probe', 'restart capture tab: capture_stalled'],
      ...['probe', 'restart capture tab: capture_stalled'],
      ...['probe', 'end: capture_stalled'],
    ]);
  });

  it('has the GPU process started again when an answering page is not painted', () => {
    capture.run(5);
    capture.paints = false;
    expect(capture.run(14)).toEqual(['probe', 'restart GPU process: gpu_hung']);
    capture.paints = true;
    expect(capture.run(60)).toEqual([]);
  });

  it('ends a capture whose GPU process does not come back', () => {
    capture.run(5);
    capture.paints = false;
    expect(capture.run(60)).toEqual(['probe', 'restart GPU process: gpu_hung', 'end: gpu_hung']);
  });

  it('ends a capture whose GPU process hangs again and again', () => {
    for (let round = 0; round < 2; round++) {
      capture.paints = true;
      capture.run(20);
      capture.paints = false;
      expect(capture.run(14)).toEqual(['probe', 'restart GPU process: gpu_hung']);
    }
    capture.paints = true;
    capture.run(20);
    capture.paints = false;
    expect(capture.run(20)).toEqual(['probe', 'end: gpu_hung']);
  });

  it('shows a busy page as not responsive, and ends it only when it has hung', () => {
    capture.run(5);
    capture.pageAnswers = false;
    expect(capture.run(16)).toEqual(['unresponsive']);
    capture.pageAnswers = true;
    expect(capture.run(10)).toEqual(['responsive']);
    capture.pageAnswers = false;
    expect(capture.run(59)).toEqual(['unresponsive']);
    expect(capture.run(60)).toEqual(['end: browser_hung']);
  });

  it('expects nothing of a page that a dialog has halted', () => {
    capture.seen.pageHalted = true;
    capture.pageAnswers = false;
    expect(capture.run(120).filter((action) => action !== 'probe' && !action.includes('GPU'))).toEqual([]);
  });

  it('ends a browser that does not answer sooner than a page', () => {
    capture.browserAnswers = false;
    capture.pageAnswers = false;
    capture.captureTabAnswers = false;
    expect(capture.run(30)).toEqual(['unresponsive', 'end: browser_hung']);
  });

  it('has the tab replaced that does not answer, and does not blame the sound', () => {
    capture.run(5);
    capture.captureTabAnswers = false;
    expect(capture.run(10)).toEqual(['restart capture tab: capture_stalled']);
    capture.captureTabAnswers = true;
    expect(capture.run(60)).toEqual([]);
  });

  it('ends a capture whose tabs are lost more often than twice in ten minutes', () => {
    const lose = (): string[] => {
      capture.seen.captureLost = 'Its tab crashed';
      return capture.run(10);
    };
    const restart = 'restart capture tab: capture_failed';
    expect([...lose(), ...lose(), ...capture.run(600)]).toEqual([restart, restart]);
    expect([...lose(), ...lose(), ...lose()]).toEqual([restart, restart, 'end: capture_failed']);
  });

  it('waits with a new tab for a page that is busy or halted, which is needed for it', () => {
    capture.run(5);
    capture.pageAnswers = false;
    capture.run(10);
    capture.seen.captureLost = 'Its tab crashed';
    expect(capture.run(20)).toEqual([]);
    capture.seen.pageHalted = true;
    expect(capture.run(20)).toEqual(['responsive']);
    capture.pageAnswers = true;
    capture.seen.pageHalted = false;
    expect(capture.run(5)).toEqual(['restart capture tab: capture_failed']);
  });

  it('gets the sound back, and nothing else is touched', () => {
    capture.run(5);
    capture.sounds = false;
    expect(capture.run(10)).toEqual(['restart sound: sound_lost']);
    capture.sounds = true;
    expect(capture.run(10)).toEqual(['recovered sound']);
    capture.sounds = false;
    expect(capture.run(40)).toEqual(Array.from({ length: 3 }, () => 'restart sound: sound_lost'));
  });

  it('says whenever nothing of what is captured has been encoded for a time', () => {
    capture.run(5);
    capture.encodes = false;
    expect(capture.run(30)).toEqual(['no pictures encoded', 'no pictures encoded']);
    capture.encodes = true;
    capture.encodesSound = false;
    expect(capture.run(30)).toEqual(['no sound encoded', 'no sound encoded']);
    capture.encodesSound = true;
    expect(capture.run(60)).toEqual([]);
  });

  it('does not blame the encoder of sound for sound that is not captured', () => {
    capture.run(5);
    capture.sounds = false;
    expect(capture.run(60).filter((action) => action.includes('encoded'))).toEqual([]);
  });

  it('does not miss an encoder that nobody needs', () => {
    capture.seen.encoded = { pictures: undefined, sound: undefined };
    expect(capture.run(60)).toEqual([]);
    capture.seen.encoded = { pictures: 0, sound: 0 };
    expect(capture.run(60)).toEqual([]);
  });

  it('expects neither pictures nor sound while paused, and both after it', () => {
    capture.seen.capturing = false;
    capture.encodes = false;
    expect(capture.run(120)).toEqual([]);
    capture.encodes = true;
    capture.sounds = false;
    capture.seen.capturing = true;
    expect(capture.run(2)).toEqual([]);
    expect(capture.run(3)).toEqual(['restart sound: sound_lost']);
  });

  it('does not take its own sleep for silence of others', () => {
    capture.run(5);
    capture.atMs += 3_600_000;
    expect(capture.run(60)).toEqual([]);
  });

  it('speaks of the end once', () => {
    capture.browserAnswers = false;
    expect(capture.run(300).filter((action) => action.startsWith('end'))).toHaveLength(1);
  });
});
