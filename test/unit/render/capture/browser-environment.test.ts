import { expect, it } from 'vitest';

import { browserEnvironment } from '../../../../src/render/capture/browser-environment.js';

it('a browser has what is added besides the environment of the process that launches it', () => {
  const host = { HOME: '/home/me', DRI_PRIME: '1' };
  expect(browserEnvironment({ addedEnv: { DRI_PRIME: 'pci-0000_04_00_0' } }, host)).toEqual({
    HOME: '/home/me',
    DRI_PRIME: 'pci-0000_04_00_0',
  });
  expect(browserEnvironment({}, host)).toEqual(host);
});

it("the env of the user's options wins, and the environment of the process is left out", () => {
  const options = { env: { HOME: '/srv' }, addedEnv: { DRI_PRIME: '1', HOME: '/added' } };
  expect(browserEnvironment(options, { SECRET: 'x' })).toEqual({ DRI_PRIME: '1', HOME: '/srv' });
});
