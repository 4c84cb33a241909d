import { expect, it } from 'vitest';

import { examine } from '../../../src/demo/doctor.js';

it('doctor refuses a device that the machine does not have, as the router does', async () => {
  await expect(
    examine({ encoderDevice: undefined, gpuDevice: '/dev/dri/renderD9999' }),
  ).rejects.toMatchObject({
    code: 'bad_option',
    message: expect.stringContaining('for gpu.device but received /dev/dri/renderD9999') as string,
  });
});
