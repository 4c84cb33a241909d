import { beforeEach, expect, it } from 'vitest';

import { silentLogger } from '../../../src/base/logger.js';
import type { Render } from '../../../src/render/render.js';
import { type CheckedSpare, openWarmRender } from '../../../src/render/warm-render.js';

const render = {} as Render;
/** What the pool was told. */
let told: string[];
let checking: Promise<void>;

beforeEach(() => {
  told = [];
  checking = Promise.resolve();
});

const spare: CheckedSpare = { isAlive: true, close: () => Promise.resolve(), check: () => checking };

function open(
  openIn: (onLaunched: () => void) => Promise<Render>,
  signal = new AbortController().signal,
): Promise<Render | undefined> {
  const pool = {
    used: () => void told.push('used'),
    wasted: () => {
      told.push('wasted');
      return Promise.resolve();
    },
  };
  return openWarmRender(spare, pool, openIn, signal, silentLogger);
}

it('counts a spare when a session is in it, and not before', async () => {
  const opened = await open((onLaunched) => {
    expect(told).toEqual([]);
    onLaunched();
    return Promise.resolve(render);
  });
  expect(opened).toBe(render);
  expect(told).toEqual(['used']);
});

it('opens nothing in a spare that does not answer, and leaves it to another browser', async () => {
  checking = Promise.reject(new Error('It took too long'));
  let isOpened = false;
  const opened = await open(() => {
    isOpened = true;
    return Promise.resolve(render);
  });
  expect([opened, isOpened]).toEqual([undefined, false]);
  expect(told).toEqual(['wasted']);
});

it('leaves it to another browser where the spare is lost before anything of the session is in it', async () => {
  expect(await open(() => Promise.reject(new Error('lost')))).toBeUndefined();
  expect(told).toEqual(['wasted']);
});

it('fails with the page, of which the spare is innocent', async () => {
  const failing = open((onLaunched) => {
    onLaunched();
    return Promise.reject(new Error('no page'));
  });
  await expect(failing).rejects.toThrow('no page');
  expect(told).toEqual(['used']);
});

it('ends with the session that is given up while the spare is asked', async () => {
  checking = new Promise(() => undefined);
  const aborting = new AbortController();
  const opening = open(() => Promise.resolve(render), aborting.signal);
  aborting.abort(new Error('given up'));
  await expect(opening).rejects.toThrow('given up');
  expect(told).toEqual(['wasted']);
});
