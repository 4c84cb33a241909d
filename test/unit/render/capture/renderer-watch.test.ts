import { describe, expect, it } from 'vitest';

import type { CdpSession } from '../../../../src/render/capture/cdp-connection.js';
import { type BrowserRenderer, RendererWatch } from '../../../../src/render/capture/renderer-watch.js';
import { settle, VirtualClock } from '../../../helpers/virtual-clock.js';

const GPU = 'ANGLE (NVIDIA, NVIDIA GeForce RTX 4090, OpenGL 4.5)';
const SWIFTSHADER =
  'ANGLE (Google, Vulkan 1.3.0 (SwiftShader Device (Subzero) (0x0000C0DE)), SwiftShader driver)';

/** @param names - what the browser answers, one after the other; undefined: it refuses. The last is repeated. */
function watch(...names: (string | undefined)[]) {
  const clock = new VirtualClock();
  const told: BrowserRenderer[] = [];
  const asked: string[] = [];
  const browser = {
    send: (method: string) => {
      asked.push(method);
      const name = names.length > 1 ? names.shift() : names[0];
      if (name === undefined) return Promise.reject(new Error('the GPU process is gone'));
      return Promise.resolve({ gpu: { auxAttributes: { glRenderer: name } } });
    },
  } as unknown as CdpSession;
  const rendererWatch = new RendererWatch(browser, clock, (renderer) => told.push(renderer));
  return { clock, told, asked, rendererWatch };
}

describe('RendererWatch', () => {
  it('reports the fall of a GPU to software once, and asks no more after it', async () => {
    const { clock, told, asked } = watch(GPU, GPU, undefined, SWIFTSHADER);
    await settle();
    expect(told).toEqual([{ name: GPU, software: false }]);
    for (let look = 0; look < 5; look++) {
      await clock.advance(30_000);
      await settle();
    }
    expect(told).toEqual([
      { name: GPU, software: false },
      { name: SWIFTSHADER, software: true },
    ]);
    expect(asked).toHaveLength(4);
    expect(clock.pendingTimers).toBe(0);
  });

  it('asks a browser without a GPU once', async () => {
    const { clock, told, asked } = watch('');
    await settle();
    await clock.advance(600_000);
    await settle();
    expect(told).toEqual([{ name: '', software: true }]);
    expect(asked).toEqual(['SystemInfo.getInfo']);
  });

  it('shortens a name that is too long, and reports nothing after its end', async () => {
    const { clock, told, rendererWatch } = watch('G'.repeat(10_000), GPU);
    await settle();
    expect(told[0]?.name).toHaveLength(200);
    rendererWatch.close();
    await clock.advance(60_000);
    await settle();
    expect(told).toHaveLength(1);
    expect(clock.pendingTimers).toBe(0);
  });
});
