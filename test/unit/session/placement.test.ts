import { describe, expect, it } from 'vitest';

import { fitsPlacement, parsePlacement } from '../../../src/session/placement.js';
import { codeOf } from '../../helpers/session-harness.js';

describe('what a request asks of its server', () => {
  it('is nothing by default', () => {
    for (const body of [{}, { placement: undefined }]) expect(parsePlacement(body)).toEqual({});
    expect(parsePlacement({ placement: {} })).toEqual({ gpu: false });
    expect(parsePlacement({ placement: { region: 'eu-west.1', gpu: true } })).toEqual({
      region: 'eu-west.1',
      gpu: true,
    });
  });

  it.each([
    [null, 'placement'],
    ['eu', 'placement'],
    [{ gpu: 1 }, 'placement.gpu'],
    [{ region: '' }, 'placement.region'],
    [{ region: 'a b' }, 'placement.region'],
    [{ region: 'x'.repeat(65) }, 'placement.region'],
    [{ region: ['eu'] }, 'placement.region'],
    [{ Region: 'eu' }, 'region and gpu'],
  ])('is refused by name: %j', async (placement, name) => {
    expect(() => parsePlacement({ placement })).toThrow(name);
    expect(await codeOf(() => parsePlacement({ placement }))).toBe('bad_request');
  });

  it.each([
    [{}, {}, true],
    [{ region: 'eu' }, {}, true],
    [{ region: 'eu' }, { region: 'eu' }, true],
    [{}, { region: 'eu' }, false],
    [{ region: 'us' }, { region: 'eu' }, false],
    [{}, { gpu: true }, false],
    [{ gpu: true }, { gpu: true }, true],
    [{ gpu: true }, { gpu: false }, true],
    [{ region: 'eu', gpu: true }, { region: 'us', gpu: true }, false],
  ])('is met by a server with %j for %j: %s', (server, asked, fits) => {
    expect(fitsPlacement({ gpu: false, ...server }, asked)).toBe(fits);
  });
});
