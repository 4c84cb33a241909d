import { expect, it } from 'vitest';

import { encoderEnvironment } from '../../../../src/render/encode/encoder-environment.js';

it('CUDA numbers its GPUs by their addresses and SVT-AV1 is silent, unless the user wants it otherwise', () => {
  expect(encoderEnvironment({ HOME: '/home/me' })).toEqual({
    HOME: '/home/me',
    CUDA_DEVICE_ORDER: 'PCI_BUS_ID',
    SVT_LOG: '0',
  });
  expect(encoderEnvironment({ CUDA_DEVICE_ORDER: 'FASTEST_FIRST', SVT_LOG: '3' })).toEqual({
    CUDA_DEVICE_ORDER: 'FASTEST_FIRST',
    SVT_LOG: '3',
  });
});
