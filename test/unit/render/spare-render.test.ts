import { expect, it } from 'vitest';

import { silentLogger } from '../../../src/base/logger.js';
import type { CaptureParameters } from '../../../src/render/capture/capture.js';
import type { PrepareOrder, RenderOrder } from '../../../src/render/render-messages.js';
import type {
  SessionProcess,
  SessionProcessListener,
} from '../../../src/render/session-process-supervisor.js';
import { isFit, SpareRender } from '../../../src/render/spare-render.js';

const shape = { width: 1280, height: 720, frameRate: 30, deviceScaleFactor: 1, audio: true, page: {} };
const request: CaptureParameters = {
  ...shape,
  page: { maxTabs: 2 },
  targetUrl: 'http://a.example/',
  initialData: null,
};

it.each<[string, Partial<CaptureParameters>]>([
  ['size', { width: 640, height: 360 }],
  ['frame rate', { frameRate: 60 }],
  ['time zone', { page: { timezone: 'Europe/Berlin' } }],
  ['colour scheme', { page: { colorScheme: 'dark' } }],
  ['cookies', { page: { cookies: [{ name: 'a', value: 'b' }] } }],
])('a browser that is ready fits a session of another %s', (_what, change) => {
  expect(isFit(shape, { ...request, ...change })).toBe(true);
});

it.each<[string, Partial<CaptureParameters>]>([
  ['factor', { deviceScaleFactor: 2 }],
  ['language', { page: { locale: 'de-DE' } }],
  ['kind of pointer', { page: { touch: true } }],
  ['user agent', { page: { userAgent: 'Agent' } }],
  ['proxy', { upstreamProxy: { url: 'http://proxy.example:3128/', isChecked: true } }],
  ['profile', { profile: { path: '/nowhere', maxBytes: 1, mustExist: false } }],
])('a browser that is ready does not fit a session of another %s', (_what, change) => {
  expect(isFit(shape, { ...request, ...change })).toBe(false);
});

it('a browser that is ready with sound fits a session without it, but not the other way round', () => {
  expect(isFit(shape, { ...request, audio: false })).toBe(true);
  expect(isFit({ ...shape, audio: false }, request)).toBe(false);
});

/** Takes orders. Once it is closed it tells nothing more, as a session process. */
class FakeProcess {
  readonly pid = 1;
  readonly orders: RenderOrder[] = [];
  listener: SessionProcessListener | undefined;
  closes = 0;

  get isAlive(): boolean {
    return this.closes === 0;
  }

  use(_name: string, listener: SessionProcessListener): void {
    this.listener = listener;
  }

  rest(): void {
    // It is none that could keep anything alive.
  }

  send(order: RenderOrder): boolean {
    this.orders.push(order);
    return this.isAlive;
  }

  close(): Promise<void> {
    this.closes += 1;
    return Promise.resolve();
  }
}

function openSpare(
  process: FakeProcess,
  signal = new AbortController().signal,
  onLost: () => void = () => undefined,
): Promise<SpareRender> {
  const session = process as Partial<SessionProcess> as SessionProcess;
  const place = { session, profileDirectory: '/nowhere', egress: undefined, lease: undefined };
  return SpareRender.open(place, {} as PrepareOrder, onLost, signal, silentLogger);
}

it('gives up a browser that is being made although its process never reports', async () => {
  const process = new FakeProcess();
  const aborting = new AbortController();
  const opening = openSpare(process, aborting.signal);
  expect(process.orders).toHaveLength(1);
  aborting.abort(new Error('given up'));
  await expect(opening).rejects.toThrow('given up');
  expect(process.closes).toBe(1);
});

it('makes no browser that was given up before', async () => {
  const process = new FakeProcess();
  await expect(openSpare(process, AbortSignal.abort(new Error('given up')))).rejects.toThrow('given up');
  expect(process.orders).toEqual([]);
  expect(process.closes).toBe(1);
});

async function readySpare(process: FakeProcess, onLost?: () => void): Promise<SpareRender> {
  const opening = openSpare(process, undefined, onLost);
  const preloads = { loaded: 1, failed: 2 };
  process.listener?.onReport({ type: 'done', id: 0, result: { executablePath: '/browser', preloads } });
  return opening;
}

it('asks a browser that waits whether it still answers', async () => {
  const process = new FakeProcess();
  const spare = await readySpare(process);
  expect(spare.executablePath).toBe('/browser');
  expect(spare.preloads).toEqual({ loaded: 1, failed: 2 });
  const checking = spare.check();
  const asked = process.orders.at(-1) as { readonly type: string; readonly id: number };
  expect(asked.type).toBe('check');
  process.listener?.onReport({ type: 'done', id: asked.id });
  await checking;
});

it('finds that a browser that waits does not answer', async () => {
  const spare = await readySpare(new FakeProcess());
  await expect(spare.check(1)).rejects.toThrow('It took longer than 1 ms');
});

it('finds that a browser that waits is lost, before it is asked and while it is', async () => {
  const process = new FakeProcess();
  let losses = 0;
  const spare = await readySpare(process, () => (losses += 1));
  const checking = spare.check();
  const error = { code: 'browser_crashed', message: 'The browser crashed' } as const;
  process.listener?.onReport({ type: 'ended', error });
  await expect(checking).rejects.toMatchObject(error);
  await expect(spare.check()).rejects.toMatchObject(error);
  expect(losses).toBe(1);
});
