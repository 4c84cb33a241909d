import { expect, it } from 'vitest';

import { encoderEnvironment } from '../../../../src/render/encode/encoder-environment.js';

it('CUDA numbers its GPUs by their addresses, unless the user wants another order', () => {
  expect(encoderEnvironment({ HOME: '/home/me' })).toEqual({
    HOME: '/home/me',
    CUDA_DEVICE_ORDER: 'PCI_BUS_ID',
  });
  expect(encoderEnvironment({ CUDA_DEVICE_ORDER: 'FASTEST_FIRST' })).toEqual({
    CUDA_DEVICE_ORDER: 'FASTEST_FIRST',
  });
});
