import { expect, it } from 'vitest';

import { browserEnvironment } from '../../../../src/render/capture/browser-environment.js';

it('a browser has what is added besides the environment of the process that launches it', () => {
  const host = { HOME: '/home/me', DRI_PRIME: '1', LANG: 'de_DE.UTF-8' };
  expect(browserEnvironment({ addedEnv: { DRI_PRIME: 'pci-0000_04_00_0' } }, host)).toEqual({
    ...host,
    DRI_PRIME: 'pci-0000_04_00_0',
  });
  expect(browserEnvironment({}, host)).toEqual(host);
});

it("the env of the user's options wins, and the environment of the process is left out", () => {
  const options = { env: { HOME: '/srv', LC_ALL: 'C.utf8' }, addedEnv: { DRI_PRIME: '1', HOME: '/added' } };
  expect(browserEnvironment(options, { SECRET: 'x' })).toEqual({
    DRI_PRIME: '1',
    HOME: '/srv',
    LC_ALL: 'C.utf8',
  });
});

it.each([
  [{}, {}],
  [{ LANG: 'de_DE' }, { LANG: 'de_DE' }],
  [{ LC_ALL: 'C', LANG: 'C.UTF-8' }, { LANG: 'C.UTF-8' }],
  [{ LC_ALL: '', LC_CTYPE: 'POSIX' }, {}],
])('names of files are UTF-8 in a browser where the locale is %o', (host, kept) => {
  expect(browserEnvironment({}, host)).toEqual({ ...kept, LC_CTYPE: 'C.UTF-8' });
  expect(browserEnvironment({ env: host })).toEqual({ ...kept, LC_CTYPE: 'C.UTF-8' });
});
