import { describe, expect, it } from 'vitest';

import { defaultBitrateBps } from '../../../src/session/default-bitrate.js';
import { parseRenderChange, parseRenderOptions } from '../../../src/session/render-options.js';

const defaults = { viewport: { width: 1280, height: 720 }, maxBitrateBps: undefined };
const current = parseRenderOptions({ resolution: '640x360', frameRate: 30 }, defaults);

describe('a change of a session that runs', () => {
  it('leaves what it does not name', () => {
    expect(parseRenderChange({ frameRate: 15 }, current)).toMatchObject({
      ...{ width: 640, height: 360, frameRate: 15 },
    });
    expect(parseRenderChange({ resolution: '1280x720' }, current)).toMatchObject({
      ...{ width: 1280, height: 720, frameRate: 30 },
    });
  });

  it('takes the bit rate along where it went by size, within the limit of the server', () => {
    const bySize = defaultBitrateBps(1280 * 720 * 30);
    const change = { resolution: '1280x720' };
    expect(parseRenderChange(change, current).maxBitrateBps).toBe(bySize);
    expect(parseRenderChange(change, current, { maxBitrateBps: 300_000 }).maxBitrateBps).toBe(300_000);
    const asked = parseRenderOptions({ resolution: '640x360', maxBitrateBps: 500_000 }, defaults);
    expect(parseRenderChange(change, asked).maxBitrateBps).toBe(500_000);
  });

  it.each([
    [{ resolution: '641x360' }, 'renderOptions.resolution'],
    [{ frameRate: 0 }, 'renderOptions.frameRate'],
    ['1280x720', 'renderOptions'],
    [{ maxBitrate: 500_000 }, 'maxBitrate'],
    [{ frameRate: 15, videoCodec: 'vp8' }, 'videoCodec'],
    [{ maxBitrateBps: 'fast' }, 'renderOptions.maxBitrateBps'],
  ])('%j is refused by name', (change, name) => {
    expect(() => parseRenderChange(change, current)).toThrow(name);
  });
});
