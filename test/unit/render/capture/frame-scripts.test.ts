import { beforeEach, describe, expect, it } from 'vitest';

import { silentLogger } from '../../../../src/base/logger.js';
import type { CdpSession } from '../../../../src/render/capture/cdp-connection.js';
import { FrameScripts, type ScriptFrame } from '../../../../src/render/capture/frame-scripts.js';
import { scriptNames } from '../../../../src/render/capture/page-scripts.js';
import { FakeFrames } from '../../../helpers/fake-frames.js';

const names = scriptNames();
/** Of the class: as many frames are told. */
const CONTEXTS_MAX = 128;

let tab: FakeFrames;
let calls: ScriptFrame[];
let gone: string[];
let scripts: FrameScripts;

beforeEach(async () => {
  tab = new FakeFrames(names, 'main');
  [calls, gone] = [[], []];
  scripts = await FrameScripts.install(
    tab as unknown as CdpSession,
    {
      names,
      inPage: () => undefined,
      beside: [],
      prepare: () => Promise.resolve(),
      onCall: (_call, frame) => calls.push(frame),
      onNavigated: () => undefined,
      onGone: (key) => gone.push(key),
    },
    silentLogger,
  );
  return () => scripts.close();
});

/** What the document of a frame is called, once it reaches us. */
async function reaches(frameId: string, session = tab): Promise<ScriptFrame> {
  await expect.poll(() => session.call(frameId, 'cursor', 'text')).toBe(true);
  const frame = calls.at(-1);
  if (frame === undefined) throw new Error('Nothing was called');
  return frame;
}

describe('a document that replaces another', () => {
  it('is reached, and the one before is gone with all its frames', async () => {
    const { key: first } = await reaches('main');
    tab.navigated('child', 'main');
    const { key: child } = await reaches('child');
    tab.navigated('main');
    const second = await reaches('main');
    expect(second.isMainFrame).toBe(true);
    expect([first, child]).not.toContain(second.key);
    expect(gone).toEqual([first, child]);
  });

  it('is reached although the way to the one before breaks off at any step', async () => {
    for (const method of ['Page.createIsolatedWorld', 'Runtime.addBinding', 'Runtime.evaluate']) {
      let answer: () => void = () => undefined;
      tab.held.set(method, new Promise<void>((resolve) => (answer = resolve)));
      tab.navigated('main');
      await new Promise((resolve) => setImmediate(resolve));
      tab.held.delete(method);
      tab.swap();
      tab.navigated('main');
      answer();
      calls.length = 0;
      expect((await reaches('main')).isMainFrame, method).toBe(true);
      expect(calls).toHaveLength(1);
    }
  });

  it('has its frames reached, however many those before had', async () => {
    for (let document = 0; document < 3; document++) {
      tab.swap();
      tab.navigated('main');
      for (let frame = 0; frame < CONTEXTS_MAX / 2; frame++) tab.navigated(`${document}-${frame}`, 'main');
      await reaches(`${document}-${CONTEXTS_MAX / 2 - 1}`);
    }
  });

  it('is reached while as many frames as are told are still being looked at', async () => {
    tab.held.set('Page.createIsolatedWorld', new Promise(() => undefined));
    for (let frame = 0; frame < CONTEXTS_MAX; frame++) tab.navigated(`old-${frame}`, 'main');
    await new Promise((resolve) => setImmediate(resolve));
    tab.held.clear();
    tab.swap();
    tab.navigated('main');
    await reaches('main');
  });

  it('is one document also if it is reported twice', async () => {
    const { key } = await reaches('main');
    tab.emit('Page.frameAttached', { frameId: 'main' });
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect((await reaches('main')).key).toBe(key);
    expect(gone).toEqual([]);
  });
});

it('a frame that is removed is gone', async () => {
  tab.navigated('child', 'main');
  const { key } = await reaches('child');
  tab.emit('Page.frameDetached', { frameId: 'child' });
  expect(gone).toEqual([key]);
});

it('the frames in a process of its own are gone with the document that has them, and with the process', async () => {
  const own = new FakeFrames(names, 'own', 'iframe');
  Object.assign(own, { detach: () => Promise.resolve() });
  tab.emit('sessionattached', own);
  const { key: outer, isMainFrame } = await reaches('own', own);
  expect(isMainFrame).toBe(false);
  own.navigated('inner', 'own');
  const { key: inner } = await reaches('inner', own);
  own.navigated('own', 'main');
  const { key: second } = await reaches('own', own);
  expect(gone).toEqual([outer, inner]);
  // Loaded anew in another process, whose context ids begin anew, it is another document.
  own.emit('Inspector.targetCrashed');
  expect(gone).toEqual([outer, inner, second]);
  own.swap();
  own.replace('own');
  own.emit('Page.frameAttached', { frameId: 'own' });
  const { key: third } = await reaches('own', own);
  own.emit('disconnected');
  expect(gone).toEqual([outer, inner, second, third]);
});
