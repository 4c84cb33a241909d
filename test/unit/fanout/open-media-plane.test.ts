import { describe, expect, it } from 'vitest';

import { systemClock } from '../../../src/base/clock.js';
import { StreamKitError } from '../../../src/base/errors.js';
import { openMediaPlane } from '../../../src/fanout/open-media-plane.js';
import type { Logger } from '../../../src/base/logger.js';
import { silentLogger } from '../../../src/base/logger.js';

const absent = { udpPort: 0, clock: systemClock, logger: silentLogger, loadAddon: () => undefined };

describe('the choice of the media plane', () => {
  it('falls back to werift where the addon is not built, and logs it', () => {
    const lines: string[] = [];
    const logger: Logger = { ...silentLogger, info: (_, message) => void lines.push(message) };
    expect(openMediaPlane({ ...absent, mediaPlane: 'auto', logger }).name).toBe('werift');
    expect(lines).toEqual([expect.stringContaining('no native media plane is built')]);
  });

  it('warns that ports of the native plane are not used where the addon is not built', () => {
    const warnings: string[] = [];
    const logger: Logger = { ...silentLogger, warn: (_, message) => void warnings.push(message) };
    openMediaPlane({ ...absent, mediaPlane: 'auto', udpPort: 5000, tcpPort: 5000, logger });
    expect(warnings).toEqual([
      expect.stringContaining('udpPort needs the native media plane'),
      expect.stringContaining('tcpPort needs the native media plane'),
    ]);
  });

  it('refuses native where the addon is not built', () => {
    expect(() => openMediaPlane({ ...absent, mediaPlane: 'native' })).toThrow(
      /^Expected auto or werift for mediaPlane because the native one is not built for .*: run "npx node-gyp/,
    );
  });

  it('does not load the addon for werift', () => {
    const loadAddon = (): never => {
      throw new Error('It was loaded');
    };
    expect(openMediaPlane({ ...absent, mediaPlane: 'werift', loadAddon }).name).toBe('werift');
  });

  it('takes no broken addon for an absent one', () => {
    const loadAddon = (): never => {
      throw new StreamKitError('internal', 'It does not load.');
    };
    expect(() => openMediaPlane({ ...absent, mediaPlane: 'auto', loadAddon })).toThrow('It does not load.');
  });
});
