import { beforeEach, describe, expect, it } from 'vitest';

import { StreamKitError } from '../../../src/base/errors.js';
import { silentLogger } from '../../../src/base/logger.js';
import type { ResolvedRestartOptions } from '../../../src/options/restart-options.js';
import type { CaptureParameters } from '../../../src/render/capture/capture.js';
import type {
  Render,
  RenderListener,
  RestartableRender,
  RestartableRenderListener,
} from '../../../src/render/render.js';
import { createOpenRestartingRender } from '../../../src/render/restarting-render.js';
import type { Producer } from '../../../src/fanout/media-plane.js';
import { settle, VirtualClock } from '../../helpers/virtual-clock.js';

const PARAMETERS: CaptureParameters = {
  targetUrl: 'https://game.example.org/',
  ...{ width: 1280, height: 720, deviceScaleFactor: 2, frameRate: 30, audio: true, initialData: null },
};
const crashed = new StreamKitError('browser_crashed', 'The browser went away');

/** One render as it was opened; the test plays the browser. */
interface Opened {
  readonly parameters: CaptureParameters;
  readonly listener: RenderListener;
  readonly signal: AbortSignal;
  /** What it was asked to do, in order. */
  readonly orders: string[];
  succeed(): void;
  fail(error: Error): void;
}

let clock: VirtualClock;
let opened: Opened[];
/** What the session was told, in order. */
let told: string[];

beforeEach(() => {
  clock = new VirtualClock();
  opened = [];
  told = [];
});

function fakeRender(orders: string[]): Render {
  const note =
    (name: string) =>
    (...given: unknown[]): void =>
      void orders.push([name, ...given].join(' '));
  const answered =
    (name: string) =>
    (...given: unknown[]): Promise<void> => {
      note(name)(...given);
      return Promise.resolve();
    };
  return {
    kind: 'tab',
    browserPid: 100,
    processPid: 99,
    hasAudio: true,
    controls: {
      viewport: { width: 1, height: 1 },
      send: answered('send'),
      fillClipboard: answered('clipboard'),
      setGamepads: note('gamepads'),
      answer: note('answer'),
    },
    feed: (stream) => note('feed')(stream),
    startVideo: (stream, { bitrateBps }) => note('startVideo')(stream, bitrateBps),
    stopVideo: note('stopVideo'),
    requestKeyframe: note('requestKeyframe'),
    refresh: note('refresh'),
    setTarget: (stream, { bitrateBps }) => note('setTarget')(stream, bitrateBps),
    startAudio: note('startAudio'),
    stopAudio: note('stopAudio'),
    tap: note('tap'),
    pause: answered('pause'),
    resume: answered('resume'),
    reconfigure: answered('reconfigure'),
    setViewerCount: note('viewers'),
    setProgramInput: note('programInput'),
    setPageState: note('pageState'),
    openDebugger: () => Promise.resolve('/nowhere'),
    storeProfile: () => Promise.resolve(),
    sendToPage: note('toPage'),
    snapshot: () => Promise.resolve(new Uint8Array()),
    close: answered('close'),
  };
}

const listener = {
  onRestarting: (reason) => void told.push(`restarting: ${reason?.code ?? 'asked for'}`),
  onRestarted: () => void told.push('restarted'),
  onEnded: (error) => void told.push(`ended: ${error.code}`),
  onPageMessage: (message) => void told.push(`message: ${String(message)}`),
} as RestartableRenderListener;

/** @param before - the first render is there. */
async function open(
  restart: ResolvedRestartOptions | false,
  before: (first: Opened) => void = () => undefined,
): Promise<RestartableRender> {
  const openRestarting = createOpenRestartingRender({
    open: (parameters, inner, signal) =>
      new Promise((resolve, reject) => {
        const orders: string[] = [];
        signal.addEventListener('abort', () => reject(signal.reason as Error));
        opened.push({
          ...{ parameters, listener: inner, signal, orders },
          succeed: () => resolve(fakeRender(orders)),
          fail: reject,
        });
      }),
    ...{ restart, launchLimitMs: 30_000, clock, logger: silentLogger },
  });
  const opening = openRestarting(PARAMETERS, listener, new AbortController().signal);
  before(nth(opened.length - 1));
  opened.at(-1)?.succeed();
  return opening;
}

const nth = (index: number): Opened => {
  const found = opened[index];
  if (found === undefined) throw new Error(`Nothing was opened ${index + 1} times`);
  return found;
};

/** The render that was opened last breaks, and the one after it succeeds. */
async function breakAndSucceed(): Promise<void> {
  nth(opened.length - 1).listener.onEnded(crashed);
  await clock.advance(20_000);
  nth(opened.length - 1).succeed();
  await settle();
}

const RESTART = { attempts: 2, windowMs: 60_000 };

describe('a restarting render', () => {
  it('loads its page on another device when its own is lost, as often as it may', async () => {
    await open({ attempts: 1, windowMs: 60_000 });
    const first = nth(0);
    first.listener.onDeviceLost?.();
    // What a former one still says is ignored, and so is what comes while another is launched.
    first.listener.onDeviceLost?.();
    await settle();
    nth(1).succeed();
    await settle();
    expect(first.orders).toContain('close');
    expect(told).toEqual(['restarting: gpu_lost', 'restarted']);
    nth(1).listener.onDeviceLost?.();
    await clock.advance(60_000);
    expect([opened.length, told.length]).toEqual([2, 2]);
  });

  it('does so too if that is known before the page is there', async () => {
    const opening = open({ attempts: 2, windowMs: 60_000 }, (first) => first.listener.onDeviceLost?.());
    await opening;
    expect(told).toEqual([]);
    await clock.advance(0);
    nth(1).listener.onDeviceLost?.();
    nth(1).succeed();
    await settle();
    expect(told).toEqual(['restarting: gpu_lost', 'restarted', 'restarting: gpu_lost']);
    await clock.advance(20_000);
    nth(2).succeed();
    await settle();
    expect(told.at(-1)).toBe('restarted');
    expect(opened).toHaveLength(3);
  });

  it('goes on in software where it is not to be restarted', async () => {
    await open(false);
    nth(0).listener.onDeviceLost?.();
    await settle();
    expect([opened.length, told]).toEqual([1, []]);
  });

  it('opens another one and repeats the orders that stand', async () => {
    const render = await open(RESTART);
    render.feed('h264', {} as Producer);
    render.feed('opus', {} as Producer);
    render.startVideo('h264', { bitrateBps: 1000 });
    render.startVideo('vp8', { bitrateBps: 1000 });
    render.setTarget('h264', { bitrateBps: 2000 });
    render.stopVideo('vp8');
    render.startAudio();
    render.tap('h264', true);
    render.setViewerCount(3);
    render.setProgramInput('hold');
    await render.reconfigure({ width: 640, height: 360, frameRate: 60 });
    await render.pause();
    nth(0).listener.onEnded(crashed);
    await settle();
    expect(told).toEqual(['restarting: browser_crashed']);
    expect(nth(0).orders.at(-1)).toBe('close');
    expect(nth(1).parameters).toEqual({ ...PARAMETERS, width: 640, height: 360, frameRate: 60 });
    nth(1).succeed();
    await settle();
    expect(told).toEqual(['restarting: browser_crashed', 'restarted']);
    expect(nth(1).orders).toEqual([
      'feed h264',
      'feed opus',
      'viewers 3',
      'programInput hold',
      'tap h264 true',
      'pause',
      'startVideo h264 2000',
      'startAudio',
    ]);
  });

  it('takes orders while it is between two renders', async () => {
    const render = await open(RESTART);
    nth(0).listener.onEnded(crashed);
    await settle();
    render.startVideo('vp8', { bitrateBps: 500 });
    render.requestKeyframe('vp8');
    await expect(render.snapshot({ format: 'png' })).rejects.toMatchObject({ code: 'unavailable' });
    expect(render.controls.viewport).toEqual({ width: 640, height: 360 });
    nth(1).succeed();
    await settle();
    expect(nth(1).orders).toContain('startVideo vp8 500');
  });

  it('ignores what a lost render still reports', async () => {
    await open(RESTART);
    const { listener: lost } = nth(0);
    lost.onPageMessage('before');
    await breakAndSucceed();
    lost.onPageMessage('late');
    lost.onEnded(crashed);
    nth(1).listener.onPageMessage('after');
    expect(told).toEqual(['message: before', 'restarting: browser_crashed', 'restarted', 'message: after']);
  });

  it('ends when it breaks too often within the window, and not for what lies further back', async () => {
    await open(RESTART);
    await breakAndSucceed();
    await breakAndSucceed();
    await clock.advance(60_000);
    await breakAndSucceed();
    await breakAndSucceed();
    expect(opened).toHaveLength(5);
    nth(4).listener.onEnded(new StreamKitError('browser_hung', 'It hung'));
    expect(told.at(-1)).toBe('ended: browser_hung');
    expect(opened).toHaveLength(5);
  });

  it('waits longer before each further restart', async () => {
    await open({ attempts: 10, windowMs: 600_000 });
    nth(0).listener.onEnded(crashed);
    await settle();
    expect(opened).toHaveLength(2);
    nth(1).fail(crashed);
    await clock.advance(999);
    expect(opened).toHaveLength(2);
    await clock.advance(1);
    expect(opened).toHaveLength(3);
    nth(2).fail(crashed);
    await clock.advance(1999);
    expect(opened).toHaveLength(3);
    await clock.advance(1);
    expect(opened).toHaveLength(4);
  });

  it('counts a launch that takes too long as a failed attempt', async () => {
    await open({ attempts: 1, windowMs: 60_000 });
    nth(0).listener.onEnded(crashed);
    await clock.advance(30_000);
    expect(nth(1).signal.aborted).toBe(true);
    expect(told).toEqual(['restarting: browser_crashed', 'ended: capture_failed']);
    expect(clock.pendingTimers).toBe(0);
  });

  it('ends at once for what another browser would not change, or where it may not restart', async () => {
    await open(RESTART);
    nth(0).listener.onEnded(new StreamKitError('page_misbehaved', 'Too much'));
    await open(false);
    nth(1).listener.onEnded(crashed);
    expect(told).toEqual(['ended: page_misbehaved', 'ended: browser_crashed']);
    expect(opened).toHaveLength(2);
  });

  it('restarts on request without using up an attempt', async () => {
    const render = await open({ attempts: 1, windowMs: 60_000 });
    render.restart();
    render.restart();
    await settle();
    nth(1).succeed();
    await settle();
    await breakAndSucceed();
    expect(told).toEqual(['restarting: asked for', 'restarted', 'restarting: browser_crashed', 'restarted']);
  });

  it('restarts again when the new render breaks before it has its orders', async () => {
    const render = await open(RESTART);
    await render.pause();
    nth(0).listener.onEnded(crashed);
    await settle();
    nth(1).succeed();
    nth(1).listener.onEnded(crashed);
    await clock.advance(2000);
    expect(opened).toHaveLength(3);
  });

  it('gives up a launch when it is closed, and is closed when that is over', async () => {
    const render = await open(RESTART);
    nth(0).listener.onEnded(crashed);
    await settle();
    await Promise.all([render.close(), render.close()]);
    expect(nth(1).signal.aborted).toBe(true);
    expect(told).toEqual(['restarting: browser_crashed']);
    expect(clock.pendingTimers).toBe(0);
  });

  it('closes what was opened too late', async () => {
    const render = await open(RESTART);
    nth(0).listener.onEnded(crashed);
    await settle();
    nth(1).succeed();
    await render.close();
    expect(nth(1).orders).toEqual(['close']);
  });
});
